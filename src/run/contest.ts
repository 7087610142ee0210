/**
 * Strategies side by side: the same data, split, kernels and rules; several numbers of workers, several seeds. A run
 * that fails is an entry that says so, never one that is left out.
 */
import { type ComparisonSummary, intervalOf } from "./compare-summary.ts";
import type { TrainResult } from "./events.ts";
import type { LoadedDataset } from "./load.ts";
import type { TrainOptions } from "./settings.ts";
import { strategiesOfOneProcess } from "./strategy-names.ts";
import { type Run, type TrainExtras, train } from "./train.ts";

export interface Contest {
  readonly strategies: readonly string[];
  readonly workers: readonly number[];
  /** Runs of each, with seeds that count up. */
  readonly repeat: number;
  /** Loss whose time to reach is compared; null: none. */
  readonly targetLoss: number | null;
  /** Settings that all runs share; strategies that exchange no messages run on threads whatever the engine. */
  readonly options: TrainOptions;
}

/** One run. */
export interface Entry {
  readonly strategy: string;
  readonly workers: number;
  readonly seed: number;
  readonly result: TrainResult | null;
  /** Seconds of learning until the target was reached; null when it never was. */
  readonly secondsToTarget: number | null;
  readonly bestLoss: number | null;
  readonly error: string | null;
}

/** Runs the contest; entries come as they are done. Stops after the run that is going on when asked to. */
export async function* runContest(
  dataset: LoadedDataset,
  contest: Contest,
  extras: TrainExtras = {},
  signal?: AbortSignal,
): AsyncGenerator<Entry> {
  for (const strategy of contest.strategies) {
    const counts = strategy === "serial" ? [1] : contest.workers;
    for (const workers of counts) {
      for (let k = 0; k < contest.repeat; k++) {
        if (signal?.aborted) return;
        const seed = Number(contest.options.seed ?? 1) + k;
        const engine = strategiesOfOneProcess.includes(strategy)
          ? "threads"
          : (contest.options.engine ?? "threads");
        const options: TrainOptions = { ...contest.options, strategy, workers, seed, engine };
        yield await enter(dataset, { options, extras, targetLoss: contest.targetLoss, signal });
      }
    }
  }
}

async function enter(
  dataset: LoadedDataset,
  question: {
    options: TrainOptions;
    extras: TrainExtras;
    targetLoss: number | null;
    signal: AbortSignal | undefined;
  },
): Promise<Entry> {
  const { options, extras, targetLoss, signal } = question;
  const name = {
    strategy: String(options.strategy),
    workers: Number(options.workers),
    seed: Number(options.seed),
  };
  try {
    // Steps are what is compared: dual ascent would be another algorithm in one of the rows.
    const run = train(dataset, { ...options, solver: "sgd" }, extras);
    const stop = () => run.stop();
    signal?.addEventListener("abort", stop);
    const seen = await watch(run, targetLoss).finally(() =>
      signal?.removeEventListener("abort", stop),
    );
    const result = await run.result;
    if (result.error) return { ...name, ...seen, result: null, error: result.error.message };
    return { ...name, ...seen, result, error: null };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const nothing = { result: null, secondsToTarget: null, bestLoss: null };
    return { ...name, ...nothing, error: error.message };
  }
}

async function watch(run: Run, targetLoss: number | null) {
  let secondsToTarget: number | null = null;
  let bestLoss: number | null = null;
  for await (const event of run) {
    if (event.kind !== "evaluated") continue;
    const loss = event.loss ?? event.objective;
    if (loss === null) continue;
    bestLoss = Math.min(bestLoss ?? loss, loss);
    if (targetLoss !== null && loss <= targetLoss) secondsToTarget ??= event.trainSeconds;
  }
  return { secondsToTarget, bestLoss };
}

/** Folds entries into a row for each strategy and number of workers, in the order they came. */
export function standings(entries: readonly Entry[]): ComparisonSummary[] {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const name = `${entry.strategy} ${entry.workers}`;
    groups.set(name, [...(groups.get(name) ?? []), entry]);
  }
  return [...groups.values()].map(standingOf);
}

function standingOf(group: readonly Entry[]): ComparisonSummary {
  const done = group.filter(({ result }) => result !== null);
  const of = (value: (result: TrainResult) => number | null | undefined) =>
    intervalOf(done.map(({ result }) => value(result!) ?? null));
  return {
    strategy: group[0]!.strategy,
    workers: group[0]!.workers,
    runs: group.length,
    failed: group.length - done.length,
    error: group.find(({ error }) => error !== null)?.error ?? null,
    secondsToTarget: intervalOf(done.map((entry) => entry.secondsToTarget)),
    seconds: of(({ seconds }) => seconds.train),
    loss: intervalOf(done.map(({ bestLoss }) => bestLoss)),
    accuracy: of(({ test, validation }) => (test ?? validation)?.accuracy),
    bytes: of(({ bytes }) => bytes.sent),
    bytesPerUpdate: of(({ bytes }) => bytes.perUpdate),
    messages: of(({ members }) => members?.messages),
    staleness: of(({ members }) => members?.staleness.mean),
    waited: of(({ members }) => members && shareWaited(members)),
  };
}

function shareWaited(members: NonNullable<TrainResult["members"]>): number {
  const { learnedSeconds, waitedSeconds } = members;
  const all = learnedSeconds + waitedSeconds;
  return all > 0 ? waitedSeconds / all : 0;
}
