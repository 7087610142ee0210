/** The first half of `train`: from names of files to a run that has begun. */
import { columnsOf } from "../data/dataset.ts";
import type { LinearModel } from "../model/model.ts";
import { formatCount } from "../report/format.ts";
import { saveCheckpoint } from "../run/checkpoint.ts";
import { type LoadedDataset, type LoadOptions, loadDataset } from "../run/load.ts";
import { usableCores } from "../run/machine.ts";
import { blockMemory } from "../run/memory.ts";
import { loadModel } from "../run/model-file.ts";
import type { ManifestData } from "../run/record.ts";
import type { Settings } from "../run/settings.ts";
import { parseTrainSettings, type TrainSettings, trainSchema } from "../run/settings.ts";
import { autoStrategy, strategiesOfOneProcess } from "../run/strategy-names.ts";
import { type Run, train } from "../run/train.ts";
import { UsageError } from "./command.ts";
import { loadOptions } from "./input.ts";
import type { Job } from "./train.ts";

/** Everything that is read before learning begins. */
export interface TrainingData {
  readonly training: LoadedDataset;
  readonly validation: LoadedDataset | null;
  readonly test: LoadedDataset | null;
  readonly init: LinearModel | null;
  /** Seconds that reading all of it took. */
  readonly seconds: number;
}

const loadingEventSeconds = 0.1;
const streamable: readonly string[] = [autoStrategy, ...strategiesOfOneProcess];

/** Reads training, validation and test rows; the latter two with the width and index base of the first. */
export async function loadTrainingData(job: Job, files: readonly string[]): Promise<TrainingData> {
  const { settings, output } = job.context;
  const begun = job.seconds();
  const init = settings.init === null ? null : await loadModel(settings.init);
  const common: LoadOptions = {
    ...loadOptions(settings),
    cache: settings.cache,
    onWarning: (line) => output.warn(line),
    signal: job.signals.signal,
  };
  const training = await loadDataset(files, {
    ...common,
    ...residenceFor(settings),
    onProgress: loadingEvents(job),
  });
  const bytes = training.sources.reduce((total, source) => total + source.bytes, 0);
  job.emit({
    kind: "loading",
    rows: training.rows,
    bytes,
    bytesTotal: bytes,
    done: true,
    ...cacheFacts(training),
  });
  const like: LoadOptions = { ...common, arena: training.arena, like: training };
  const other = (path: string | null) => (path === null ? null : loadDataset(path, like));
  const validation = await other(settings.valid);
  const test = await other(settings.test);
  for (const dataset of [training, validation, test]) {
    if (dataset !== null) warnAboutData(dataset, (line) => output.warn(line));
  }
  if (init !== null) checkInit(init, training, settings);
  return { training, validation, test, init, seconds: job.seconds() - begun };
}

function cacheFacts({ cache }: LoadedDataset): { cacheAgeSeconds?: number; cache?: string } {
  if (cache === null) return {};
  return {
    cacheAgeSeconds: (Date.now() - Date.parse(cache.created)) / 1000,
    cache: cache.path,
  };
}

/** Blocks may come and go where one order is shared by all; members that own rows need them in memory. */
function residenceFor(settings: Settings): Pick<LoadOptions, "residence" | "memoryBytes"> {
  if (!streamable.includes(settings.strategy)) return { residence: "memory" };
  return { residence: "auto", memoryBytes: blockMemory(settings.memory) };
}

/** Starts learning on what was read. */
export async function startRun(job: Job, data: TrainingData): Promise<Run> {
  const { settings } = job.context;
  const place = settings.engine === "cluster" ? await import("./cluster-place.ts") : null;
  const { workers, reason } = await workersFor(settings);
  const members = workers === "auto" ? 1 : workers;
  const { training, validation, test, init } = data;
  const cluster = (await place?.clusterPlace(job, training, members)) ?? null;
  return train(
    training,
    { ...trainSettingsOf(settings), workers },
    {
      ...(reason === null ? {} : { workersReason: reason }),
      ...{ validation, test, init, run: job.record.id, cluster },
      checkpointing: {
        everySeconds: settings.checkpointEvery,
        save: (state) => saveCheckpoint(job.record.folder, state),
        resume: job.state,
      },
    },
  );
}

/**
 * How many workers learn, and why; null where the run says why.
 * @throws UsageError when settings contradict each other.
 */
export async function workersFor(settings: Settings) {
  const place = settings.engine === "cluster" ? await import("./cluster-place.ts") : null;
  return place?.workersOfPlace(settings) ?? chooseWorkers(settings);
}

/** For the manifest: which rows these are. */
export function manifestData(dataset: LoadedDataset): ManifestData {
  const { rows, nonZeros, skippedRows, fingerprint, sources } = dataset;
  const files = sources.map(({ name, bytes, rows: count }) => ({ name, bytes, rows: count }));
  return { files, fingerprint, rows, columns: columnsOf(dataset), nonZeros, skippedRows };
}

/** How many workers learn when the user leaves it open, and why; null where the run says why. */
function chooseWorkers(settings: Settings): {
  workers: number | "auto";
  reason: string | null;
} {
  const { strategy, workers } = settings;
  if (strategy === "serial") return { workers: 1, reason: "strategy serial" };
  if (typeof workers === "object") {
    throw new UsageError(
      `--workers: expected one number, found ${workers.join(",")}: glissade compare takes several`,
    );
  }
  if (strategy === autoStrategy) return { workers, reason: null };
  if (workers !== "auto") return { workers, reason: "--workers" };
  const { count, reason } = usableCores();
  return { workers: count, reason };
}

/** The run's share of the settings. Asking for a proved gap asks for the proof too. */
function trainSettingsOf(settings: Settings): TrainSettings {
  const names = Object.keys(trainSchema.shape) as (keyof TrainSettings)[];
  const own = Object.fromEntries(names.map((name) => [name, settings[name]])) as TrainSettings;
  const proof = settings.require?.some(({ quantity }) => quantity === "gap") ?? false;
  return parseTrainSettings({ ...own, certify: own.certify || proof });
}

/** Reading reports every chunk; a few events a second are enough. */
function loadingEvents(job: Job): NonNullable<LoadOptions["onProgress"]> {
  let last = Number.NEGATIVE_INFINITY;
  return (bytes, bytesTotal) => {
    const now = job.seconds();
    if (now - last < loadingEventSeconds) return;
    last = now;
    job.emit({ kind: "loading", rows: 0, bytes, bytesTotal: bytesTotal ?? null, done: false });
  };
}

function warnAboutData(dataset: LoadedDataset, warn: (line: string) => void): void {
  const name = dataset.sources.length === 1 ? dataset.sources[0]!.name : "the files";
  if (dataset.skippedRows > 0) {
    warn(`${name}: ${formatCount(dataset.skippedRows)} bad rows skipped`);
  }
  if (dataset.unseenIds > 0) {
    warn(
      `${name}: ${formatCount(dataset.unseenIds)} values of features that the training rows never have count as 0`,
    );
  }
}

function checkInit(init: LinearModel, training: LoadedDataset, settings: Settings): void {
  if (init.indexBase === training.indexBase && init.bias === settings.bias) return;
  const found = `index base ${init.indexBase}, ${init.bias ? "a bias" : "no bias"}`;
  throw new UsageError(
    `${settings.init}: expected a model that fits these rows and settings (index base ${training.indexBase}, ${settings.bias ? "a bias" : "no bias"}), found ${found}: use --index-base ${init.indexBase}${init.bias ? " --bias" : ""}`,
  );
}
