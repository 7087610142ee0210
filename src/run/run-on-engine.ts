/** The engine a run asks for, loaded on first use; all take the same plan and give the same result. */
import type { ClusterPlan, ClusterSetting } from "../engines/cluster/cluster.ts";
import type { ClusterEvent } from "../engines/cluster/events.ts";
import { describeRefusal } from "../engines/cluster/protection.ts";
import type { EngineResult } from "../engines/engine.ts";
import type { ThreadsPlan } from "../engines/threads/threads.ts";
import type { RunEventBody } from "./events.ts";
import type { RunPort } from "./learn-task.ts";

/** Where the members of a cluster are to be: what commands know and settings of a run do not say. */
export type ClusterPlace = ClusterSetting;

/** Who hears events, and the run's time. */
type EventPort = Pick<RunPort, "emit" | "seconds">;

/** Runs the plan on threads of this process, or on processes. */
export async function runOnEngine(
  plan: Omit<ClusterPlan, "cluster"> & Pick<ThreadsPlan, "observe" | "resume">,
  { engine, place }: { engine: string; place: ClusterPlace | null },
  port: EventPort,
): Promise<EngineResult> {
  if (engine !== "cluster") {
    const { runThreads } = await import("../engines/threads/threads.ts");
    const { observe, ...rest } = plan;
    return runThreads(observe ? { ...rest, observe } : rest);
  }
  if (place === null) {
    throw new RangeError(
      "Cannot train on engine cluster as nothing says where its members are: use glissade train or glissade coordinator, or give the run a `cluster`",
    );
  }
  const { runCluster } = await import("../engines/cluster/cluster.ts");
  return runCluster({
    ...plan,
    cluster: {
      ...place,
      onEvent: (event) => {
        place.onEvent?.(event);
        tellEvent(event, port);
      },
    },
  });
}

function tellEvent(event: ClusterEvent, { emit, seconds }: EventPort): void {
  switch (event.kind) {
    case "view":
      return emit({ kind: "view", id: event.id, members: event.members });
    case "lost":
      return emit({
        kind: "fault",
        fault: "member-lost",
        rank: event.rank,
        message: `${event.name} was lost: ${event.reason}`,
        action: event.action,
      });
    case "limit":
    case "denied":
    case "rejected":
      return emit(faultOf(event));
    case "waiting": {
      const { rank, whom, since, until, now } = event;
      // Members' clock is that of the learning, and goes on where a run is taken up; events have the run's.
      const at = (time: number) => seconds() + time - now;
      return emit({ kind: "waiting", rank, for: whom, since: at(since), until: at(until) });
    }
    case "joined":
    case "left":
    case "listening":
      return;
    default:
      return event satisfies never;
  }
}

/** What somebody tried who is no part of the run, or does not behave like one. */
function faultOf(
  event: Extract<ClusterEvent, { readonly kind: "limit" | "denied" | "rejected" }>,
): RunEventBody {
  const rank = event.kind === "rejected" ? event.rank : null;
  const action = event.kind === "rejected" ? "its stream was ended" : "the caller was refused";
  const fault = event.kind === "limit" ? "limit-reached" : event.kind;
  return { kind: "fault", fault, rank, message: describeRefusal(event), action };
}
