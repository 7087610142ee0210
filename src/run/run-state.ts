/** Everything that learning on depends on, as plain data: what a checkpoint holds. */
import type { SolverState } from "../learner/solver.ts";
import type { Team } from "./choose-team.ts";
import type { StopHistory, Verdict } from "./stopping.ts";

/** What the run chose by itself; a run that goes on does not choose again. */
export interface RunChoice {
  readonly l2: number;
  readonly solver: "sgd" | "sdca";
  /** First rate of the steps; null for dual ascent. */
  readonly rate: number | null;
  /** Who learns; null where the strategy was given. */
  readonly team: Team | null;
}

/** The best weights so far, the last good ones, and the average. */
export interface BestState {
  readonly cost: number;
  readonly snapshots: number;
  readonly vectors: { readonly kept: Float32Array; readonly lastGood: Float32Array };
  readonly average: Float32Array;
}

/** What the stopping rules look back on. */
export interface CourseState {
  readonly history: StopHistory;
  readonly lossMax: number;
  readonly dual: number | null;
  readonly restarts: number;
}

export interface RunState {
  /** Fingerprint of the data. */
  readonly data: string;
  readonly workers: number;
  readonly choice: RunChoice;
  readonly solver: SolverState;
  readonly best: BestState;
  readonly course: CourseState;
  /** The rule that ends the run when the next snapshot is due, where workers are a snapshot ahead; else none. */
  readonly verdict?: Verdict | null;
  /** Spent until then: learning, judging, and since the run began to learn. */
  readonly seconds: { readonly train: number; readonly evaluate: number; readonly run: number };
}

/** Whether a run goes on from there exactly as if it had not been interrupted; else it goes on from that model only. */
export function goesOnExactly({ solver }: RunState): boolean {
  return solver.numbers.exact !== 0;
}

/** Where a run leaves its state, and where it takes it up. */
export interface Checkpointing {
  /** Seconds between two checkpoints at least; 0: one an evaluation. */
  readonly everySeconds: number;
  /** Keeps the state for good; resolves to where. Called again only after it has ended. */
  readonly save: (state: RunState) => Promise<string>;
  /** State to go on from; null at the start of a run. */
  readonly resume: RunState | null;
}

/** Why a state does not fit a run, in words; null when it does. */
export function refusesState(
  { data, workers }: RunState,
  run: { readonly data: string; readonly workers: number },
): string | null {
  if (data !== run.data) return "the data are not those it was learning from";
  if (workers !== run.workers) return `it had ${workers} workers, and these are ${run.workers}`;
  return null;
}
