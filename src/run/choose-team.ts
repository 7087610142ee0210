/**
 * Who learns where `--strategy` is `auto`: one thread, or replicas on several. A rule of the data, the problem and the
 * cores, with its reason in words; what the user gave wins. Measured in docs/decisions.md, "Choosing: who learns".
 */
import type { Cores } from "./machine.ts";
import type { TrainSettings } from "./settings.ts";

export interface Team {
  readonly strategy: "serial" | "replicas";
  readonly workers: number;
  readonly reason: string;
}

export interface TeamQuestion {
  readonly settings: Pick<
    TrainSettings,
    "workers" | "merge" | "rowsPerUpdate" | "step" | "learn" | "decay"
  >;
  readonly solver: "sgd" | "sdca";
  /** Bytes of all blocks. */
  readonly bytes: number;
  /** rows * l2 / mean ||x||^2: how far one pass of SGD comes. */
  readonly size: number;
  readonly cores: Cores;
}

/** Below it a pass takes less time than threads take to start. */
export const teamBytesMin = 64 * 2 ** 20;
/**
 * The mean of replicas moves by the rows of one of them, so each must come far enough by itself: with a size of 39
 * and of 20 a worker the twin loses nothing, with 11 the RCV1 subset ends a sixth farther off.
 */
export const sizePerWorkerMin = 15;

export function chooseTeam(question: TeamQuestion): Team {
  const { settings, solver, bytes, size, cores } = question;
  const { workers, merge } = settings;
  if (workers === 1) return serial("--workers");
  if (workers !== "auto") return { strategy: "replicas", workers, reason: "--workers" };
  const only = onlySerial(settings);
  if (only !== null) return serial(`${only} is for one`);
  if (cores.count === 1) return serial(cores.reason);
  if (merge === "sum" || merge === "mean") return replicas(cores.count, `--merge, ${cores.reason}`);
  if (bytes < teamBytesMin) return serial(`${megabytes(bytes)} of rows are few`);
  if (solver === "sdca") {
    return replicas(cores.count, `${cores.reason}, ${megabytes(bytes)} of rows`);
  }
  const useful = Math.min(cores.count, Math.floor(size / sizePerWorkerMin));
  const measure = `rows * l2 / mean ||x||^2 is ${Number(size.toPrecision(2))}`;
  if (useful < 2) return serial(`${measure}: replicas would need more passes`);
  return replicas(useful, `${cores.reason}, ${megabytes(bytes)} of rows, ${measure}`);
}

function serial(reason: string): Team {
  return { strategy: "serial", workers: 1, reason };
}

function replicas(workers: number, reason: string): Team {
  return { strategy: "replicas", workers, reason };
}

/** The setting that only one worker follows, or null. */
function onlySerial({ step, learn, decay, rowsPerUpdate }: TeamQuestion["settings"]) {
  if (step.name === "adagrad") return "--step adagrad";
  if (learn === "gradient") return "--learn gradient";
  if (decay === "touched") return "--decay touched";
  return rowsPerUpdate === "auto" ? null : "--rows-per-update";
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toPrecision(3)} MB`;
}
