/** What the coordinator answers to those who only ask: how the run is going, and for rows. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import type { StatusReplySchema } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { ownHandshake } from "./handshake.ts";
import { Refusal } from "./refusal.ts";
import { isLive, nameOf, type Roster, refuseUnseated, rowsLearned, workerSeats } from "./roster.ts";
import type { ClusterHandlers } from "./server.ts";
import { waitsNow } from "./wait.ts";

/** Its answers to calls that change nothing. */
export function questionsTo(
  options: CoordinatorOptions,
  roster: Roster,
  of: Pick<Moment, "rowsBefore"> & { readonly phase: () => string; readonly now: () => number },
): Pick<ClusterHandlers, "rows" | "status" | "snapshot"> {
  return {
    rows: (request) => {
      refuseUnseated(roster, request);
      return options.rowsFor(request);
    },
    status: () => {
      const { rowsBefore } = of;
      const moment = { state: of.phase(), seconds: of.now(), rowsBefore };
      return coordinatorStatus(options, roster, moment);
    },
    snapshot: async () => {
      throw new Refusal("the coordinator holds no replica: ask a member", "unimplemented");
    },
  };
}

/** How far the run is when it is asked. */
interface Moment {
  readonly state: string;
  readonly seconds: number;
  /** Rows learned before, by the run that this one goes on from. */
  readonly rowsBefore: number;
}

/** Members, what each does, and every wait with whom, since when and until when. */
function coordinatorStatus(
  { identity, plan, observe, gatherSeconds }: CoordinatorOptions,
  roster: Roster,
  { state, seconds, rowsBefore }: Moment,
): MessageInitShape<typeof StatusReplySchema> {
  const { seats, planned, entries, view } = roster;
  const known = [...entries.values()].toSorted((a, b) => a.rank - b.rank);
  const waits = seats
    .slice(0, planned)
    .flatMap((_, rank) =>
      entries.has(rank)
        ? []
        : [{ whom: `${nameOf(rank, seats)} to join`, since: 0, until: gatherSeconds }],
    );
  return {
    handshake: ownHandshake(identity),
    ...{ role: "coordinator", state, view: view.id, seconds },
    workerSeats: workerSeats(roster),
    ...{ epoch: (rowsBefore + rowsLearned(roster)) / plan.task.rows, epochs: plan.epochs },
    ...observe?.standing?.(),
    waits: [...waits, ...waitsNow(seconds)],
    members: known.map((entry) => ({
      ...{ rank: entry.rank, incarnation: entry.incarnation, role: entry.seat.role },
      ...{ state: entry.state, address: entry.address, seen: entry.seen },
      updates: BigInt(entry.updates),
      rows: BigInt(entry.rows),
      sentBytes: BigInt(entry.bytes),
      ...{ host: entry.host, process: entry.process },
      // What one waited for that is gone or silent is not known.
      ...(entry.wait && isLive(entry) ? { wait: entry.wait } : {}),
    })),
  };
}
