/** How a coordinator runs a plan, as data. */
import type { Resumption, RunPlan } from "../engine.ts";
import type { Credentials } from "./credentials.ts";
import type { ClusterEvent } from "./events.ts";
import type { RunIdentity } from "./handshake.ts";
import type { Begun, ClusterJob } from "./job.ts";
import type { Observer } from "./judge.ts";
import type { Limits } from "./protection.ts";
import type { SavedRun, StateStore } from "./saved-run.ts";
import type { ClusterHandlers } from "./server.ts";

/** How a coordinator runs a plan. */
export interface CoordinatorOptions {
  readonly plan: RunPlan;
  readonly identity: RunIdentity;
  readonly credentials: Credentials;
  readonly limits: Limits;
  readonly listen: string;
  readonly portRange?: { readonly low: number; readonly high: number } | null;
  readonly jobFor: (rank: number, begun: Begun | null) => ClusterJob;
  readonly rowsFor: ClusterHandlers["rows"];
  /** Seconds of learning after which the time of the run is up; null for never. */
  readonly secondsMax: number | null;
  /** Members must have joined within this time. */
  readonly gatherSeconds: number;
  readonly observe?: Observer;
  /** The snapshot that the run goes on from, or went on from. */
  readonly resume: Resumption | null;
  /** A run to take up, as members of it live; and where to leave the state of this one. */
  readonly saved?: SavedRun | null;
  readonly state?: StateStore | null;
  readonly onEvent: (event: ClusterEvent) => void;
}
