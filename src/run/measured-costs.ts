/** Costs for the simulator, measured on this machine (`glissade measure`) or read from a file of such figures. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { runThreads } from "../engines/threads/threads.ts";
import { describeKernelTask } from "../learner/kernel-task.ts";
import { strategyOptions } from "../strategies/strategy.ts";
import { FileError } from "./files.ts";
import { loadDataset } from "./load.ts";
import { parseTrainSettings } from "./settings.ts";
import { prepareTask } from "./task.ts";

const costsSchema = z.object({
  learnSecondsPerRow: z.number().positive(),
  latencySeconds: z.number().nonnegative(),
  bytesPerSecond: z.number().positive(),
  secondsPerMessage: z.number().nonnegative(),
});

/** What `glissade measure` prints and `glissade simulate --costs` reads. */
export type MeasuredCosts = Readonly<z.output<typeof costsSchema>>;

/** @throws FileError when the file cannot be read, RangeError when it holds no costs; both name the file. */
export async function readMeasuredCosts(path: string): Promise<MeasuredCosts> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new FileError(path, error, "read");
  }
  const read = costsSchema.safeParse(parseJson(text));
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new RangeError(
    `${path}: expected what glissade measure prints, found ${issue?.path.join(".") || "no JSON object"}: ${issue?.message}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const rounds = 400;
/** Widths of the two models whose exchange is timed: their difference is what bytes cost. */
const [narrow, wide] = [16, 100_000] as const;

/**
 * Measures what a row costs to learn and what a message costs between two threads: the first on made rows, the
 * second as rounds of all-reduce with hardly any learning, once with small and once with large messages.
 */
export async function measureCosts(): Promise<MeasuredCosts> {
  const dataset = await loadDataset("synthetic:news:rows=20000");
  const learned = await secondsOf(await planOf(dataset, { workers: 1, rowsPerUpdate: 500 }));
  const small = await exchangeSeconds(narrow);
  const large = await exchangeSeconds(wide);
  const bytes = 4 * (wide - narrow);
  return {
    learnSecondsPerRow: learned / (4 * dataset.rows),
    latencySeconds: small / 2,
    secondsPerMessage: small / 2,
    bytesPerSecond: bytes / Math.max(1e-9, large - small),
  };
}

/** Seconds of one round of messages between two members, each way, for models of that width. */
async function exchangeSeconds(width: number): Promise<number> {
  const task = {
    kind: "quadratic" as const,
    spec: { workers: 2, width, rowsPerWorker: rounds, seed: 1 },
  };
  const options = strategyOptions({ rowsPerUpdate: 1, merge: "mean", topology: "ring" });
  const plan = { strategy: { name: "allreduce" }, options, task, workers: 2, seed: 1, epochs: 1 };
  const { seconds, telemetry } = await runThreads(plan);
  const learned = Math.max(...telemetry.members.map(({ learnedSeconds }) => learnedSeconds));
  // A round of all-reduce on a ring of two is two messages one after the other.
  return Math.max(1e-7, (seconds - learned) / rounds / 2);
}

async function planOf(
  dataset: Awaited<ReturnType<typeof loadDataset>>,
  { workers, rowsPerUpdate }: { workers: number; rowsPerUpdate: number },
) {
  const settings = parseTrainSettings({ l2: 1e-4, validation: 0 });
  const task = prepareTask(dataset, settings, { validation: null, test: null });
  const spec = describeKernelTask(dataset.arena, {
    ...{ width: task.width, loss: "hinge", l2: 1e-4, threshold: task.contextOf(1e-4).threshold },
    schedule: { name: "optimal", l2: 1e-4, t0: 1e4 },
    train: task.train,
    judged: task.judged,
  });
  const options = strategyOptions({ rowsPerUpdate });
  return {
    ...{ strategy: { name: "serial" }, options, workers, seed: 1, epochs: 4 },
    task: { kind: "rows" as const, spec },
  };
}

async function secondsOf(plan: Parameters<typeof runThreads>[0]): Promise<number> {
  const { telemetry } = await runThreads(plan);
  return Math.max(...telemetry.members.map(({ learnedSeconds }) => learnedSeconds));
}
