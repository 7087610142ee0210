/**
 * What a run says while it goes: one stream, of which terminal, `events.jsonl`, dashboard, report and
 * metrics are folds. This file imports nothing, so that readers of records depend on nothing else.
 * docs/events.md describes every kind. Readers ignore kinds and fields they do not know.
 */
export const eventsVersion = 1;

/** The run begins: what was asked for, once it is known which workers will do it. */
export interface RunStarted {
  readonly kind: "run-started";
  /** Id of the run, or null when nothing is recorded. */
  readonly run: string | null;
  readonly strategy: string;
  readonly engine: string;
  readonly workers: number;
  /** Why there are that many workers, as in "cores of this machine". */
  readonly workersReason: string;
}

/** Rows are being read. The last of these carries the totals. */
export interface Loading {
  readonly kind: "loading";
  readonly rows: number;
  readonly bytes: number;
  /** Bytes there are to read, or null for a stream. */
  readonly bytesTotal: number | null;
  readonly done: boolean;
  /** Age of the cache that was read in place of the sources; not there without one. */
  readonly cacheAgeSeconds?: number;
  /** The name of that cache. */
  readonly cache?: string;
}

/** A value the run chose by itself, and why. */
export interface Calibrated {
  readonly kind: "calibrated";
  /** Name of the setting chosen, as in "l2", "step" or "rows-per-update". */
  readonly setting: string;
  readonly value: string | number;
  readonly reason: string;
  readonly seconds: number;
}

/** A numbered set of members begins to work together. */
export interface ViewChanged {
  readonly kind: "view";
  readonly id: number;
  readonly members: readonly { readonly rank: number; readonly incarnation: number }[];
}

/** A member learned: `rows` so far by it, `clock` updates of its own. */
export interface Progress {
  readonly kind: "progress";
  readonly rank: number;
  readonly rows: number;
  readonly clock: number;
}

/** A snapshot was judged. Losses are unregularised means, accuracy is a fraction. */
export interface Evaluated {
  readonly kind: "evaluated";
  /** Rows learned by all members when the snapshot was taken. */
  readonly rows: number;
  readonly epoch: number;
  /** Seconds spent learning until then; evaluation is not in it. */
  readonly trainSeconds: number;
  /** Mean loss on the validation rows, or null without any. */
  readonly loss: number | null;
  readonly accuracy: number | null;
  /** P(w) on the training rows, where the run computes it at every evaluation. */
  readonly objective: number | null;
  /** Bytes sent between members so far. */
  readonly bytes: number;
  /** This is the best snapshot so far, by the metric that selects. */
  readonly best: boolean;
}

/** A member waits for another, for more than a moment. */
export interface Waiting {
  readonly kind: "waiting";
  readonly rank: number;
  readonly for: string;
  readonly since: number;
  readonly until: number;
}

/** Something went wrong, and what was done about it. */
export interface Fault {
  readonly kind: "fault";
  readonly fault:
    | "divergence"
    | "member-lost"
    | "message-lost"
    | "checkpoint-failed"
    | "limit-reached"
    | "denied"
    | "rejected"
    | "other";
  readonly rank: number | null;
  readonly message: string;
  readonly action: string;
}

/** State that a later run can go on from is on disk. */
export interface CheckpointWritten {
  readonly kind: "checkpoint";
  readonly path: string;
  readonly rows: number;
}

/** The run was killed or interrupted, and goes on from here. */
export interface Resumed {
  readonly kind: "resumed";
  /** The checkpoint it goes on from, or null where there was none and it begins anew. */
  readonly path: string | null;
  readonly rows: number;
  /** As if it had not been interrupted; else from that model only, with another order of rows. */
  readonly exact: boolean;
}

/** A rule ended the learning. */
export interface Stopped {
  readonly kind: "stopped";
  readonly rule: StopReason;
  readonly detail: string;
}

/** The last event of every run. */
export interface RunFinished {
  readonly kind: "run-finished";
  readonly result: TrainResult;
}

/** Every kind of event, without the fields that all share. */
export type RunEventBody =
  | RunStarted
  | Loading
  | Calibrated
  | ViewChanged
  | Progress
  | Evaluated
  | Waiting
  | Fault
  | CheckpointWritten
  | Resumed
  | Stopped
  | RunFinished;

/** One event as it is iterated, recorded and streamed. */
export type RunEvent = {
  readonly v: typeof eventsVersion;
  /** Seconds since the run started. */
  readonly time: number;
} & RunEventBody;

/** Why learning ended: a rule of `--stop`, or the user, or a failure. */
export type StopReason =
  | "epochs"
  | "time"
  | "target-loss"
  | "target-accuracy"
  | "gap"
  | "window"
  | "patience"
  | "plateau"
  | "diverged"
  | "interrupted"
  | "failed";

/** Mean unregularised loss and accuracy (a fraction; null for regression) over some rows. */
export interface Score {
  readonly loss: number;
  readonly accuracy: number | null;
  readonly rows: number;
}

/** Why a run failed; file, line and column where a row of the input is to blame. */
export interface RunError {
  readonly message: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}

/** How the members of a run spent their time, all together, and how stale their updates were when applied. */
export interface MembersSummary {
  readonly messages: number;
  readonly learnedSeconds: number;
  readonly waitedSeconds: number;
  readonly staleness: { readonly mean: number; readonly max: number };
  /** How far the replicas are apart at the end, relative to their mean. */
  readonly apart: number;
}

/** What `glissade train --json` prints, and what a run's `result` resolves to. */
export interface TrainResult {
  readonly glissade: "1";
  readonly command: "train";
  readonly status: "done" | "failed" | "interrupted";
  readonly strategy: string;
  readonly engine: string;
  readonly workers: number;
  readonly solver: string;
  readonly loss: string;
  /** The regularisation used, also where it was chosen by the run; null when the run ended before. */
  readonly l2: number | null;
  readonly rows: number;
  readonly columns: number;
  readonly nonZeros: number;
  readonly epochs: number;
  readonly stopped: StopReason | null;
  readonly seconds: {
    readonly load: number;
    readonly train: number;
    readonly evaluate: number;
    readonly total: number;
  };
  /** P(w) and mean loss of the returned weights on the training rows. */
  readonly train: {
    readonly objective: number | null;
    readonly loss: number | null;
    readonly rows: number;
  };
  readonly validation: Score | null;
  readonly test: Score | null;
  readonly gap: { readonly relative: number; readonly certified: boolean } | null;
  /**
   * hogwild: of the rows watched while they stepped, those of which another thread changed a weight in between,
   * and what theory takes from the data in memory: Omega, Delta and rho. Null where threads do not meet.
   */
  readonly collisions: {
    readonly watched: number;
    readonly collided: number;
    readonly expected: {
      readonly omega: number;
      readonly delta: number;
      /** Exact where low is high. */
      readonly rho: { readonly low: number; readonly high: number; readonly rowsChecked: number };
    } | null;
  } | null;
  readonly updates: { readonly sent: number; readonly applied: number; readonly lost: number };
  /** `perUpdate`: what all members sent, divided by the updates they learned; null where nothing is sent. */
  readonly bytes: {
    readonly sent: number;
    readonly received: number;
    readonly perUpdate: number | null;
  };
  /** What members that exchange messages did; null for others. */
  readonly members: MembersSummary | null;
  /** Path of the model file, or null when none was written. */
  readonly model: string | null;
  /** Id of the run's folder, or null when nothing was recorded. */
  readonly run: string | null;
  readonly error: RunError | null;
}
