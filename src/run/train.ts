/**
 * The main job: from a data set to a model. `train` starts at once and returns a run, which is an async
 * iterable of events and a promise of the result.
 */
import type { LinearModel } from "../model/model.ts";
import { createEventLog } from "./event-queue.ts";
import type { RunEvent, RunEventBody, TrainResult } from "./events.ts";
import { learnTask } from "./learn-task.ts";
import type { LoadedDataset } from "./load.ts";
import type { ClusterPlace } from "./run-on-engine.ts";
import type { Checkpointing } from "./run-state.ts";
import { parseTrainSettings, type TrainOptions, type TrainSettings } from "./settings.ts";
import { refuseUnavailable } from "./settings-effect.ts";
import { strategyOn } from "./strategy-names.ts";

/** What a run may be given beside its data and settings. */
export interface TrainExtras {
  /** Validation rows of their own; loaded `like` the training data. */
  readonly validation?: LoadedDataset | null;
  /** Rows judged once at the end; loaded `like` the training data. */
  readonly test?: LoadedDataset | null;
  /** Weights to start from. */
  readonly init?: LinearModel | null;
  /** Id under which the run is recorded. */
  readonly run?: string | null;
  /** Why there are that many workers, for the first event. */
  readonly workersReason?: string;
  /** Where its state is kept, and taken up from. */
  readonly checkpointing?: Checkpointing | null;
  /** Where the members of engine `cluster` are, and who starts them. */
  readonly cluster?: ClusterPlace | null;
}

export interface TrainOutcome {
  readonly result: TrainResult;
  readonly model: LinearModel;
}

/** A run that is going on. */
export interface Run extends AsyncIterable<RunEvent> {
  /** Rejects when the run fails; what it had learned until then is lost. */
  readonly result: Promise<TrainResult>;
  /** The best weights, once the run has ended. */
  readonly model: Promise<LinearModel>;
  /** Ends learning at the next chance; the result is then `interrupted` and holds the best weights so far. */
  stop(): void;
}

/**
 * Trains a linear model.
 * @throws RangeError at once for a setting that is unknown or wrong.
 * @example
 * const run = train(await loadDataset("news.svm"), { loss: "log", l2: 1e-5 });
 * for await (const event of run) if (event.kind === "evaluated") console.log(event.loss);
 * const { validation } = await run.result;
 */
export function train(
  dataset: LoadedDataset,
  options: TrainOptions = {},
  extras: TrainExtras = {},
): Run {
  const given = parseTrainSettings(options);
  const settings: TrainSettings = { ...given, strategy: strategyOn(given) };
  refuseUnavailable(settings);
  const log = createEventLog(() => performance.now() / 1000);
  const stopping = { requested: false };
  const emit = (body: RunEventBody) => log.emit(body);
  const outcome = learnTask(dataset, settings, extras, {
    emit,
    stopping,
    seconds: () => log.seconds,
  });
  const ended = outcome.then(
    (done) => {
      log.emit({ kind: "run-finished", result: done.result });
      log.close();
      return done;
    },
    (error) => {
      log.close();
      throw error;
    },
  );
  const result = ended.then((done) => done.result);
  const model = ended.then((done) => done.model);
  // A caller who only reads one of the two must not be hit by the other's unhandled rejection.
  model.catch(() => {});
  result.catch(() => {});
  return {
    result,
    model,
    stop() {
      stopping.requested = true;
    },
    [Symbol.asyncIterator]: () => log[Symbol.asyncIterator](),
  };
}
