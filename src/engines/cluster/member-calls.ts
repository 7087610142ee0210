/** What the coordinator asks of members by calls of their own. */
import type { SeatPlan } from "../../strategies/strategy.ts";
import { ClusterError } from "./cluster-error.ts";
import type { Credentials } from "./credentials.ts";
import type { ClusterEvent } from "./events.ts";
import { Cluster } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import {
  callSecondsMax,
  dialAgainMs,
  lastModelSecondsMax,
  reconnectMsMax,
  reconnectSecondsMax,
  snapshotSecondsMax,
} from "./limits.ts";
import { modelIn } from "./models.ts";
import { Refusal } from "./refusal.ts";
import type { HeldModel } from "./results.ts";
import { liveEntries, nameOf, type Roster, type RosterEntry } from "./roster.ts";
import { CallError, callUnary, createClient } from "./rpc.ts";
import { pause } from "./wait.ts";

/**
 * A member that others can't reach is refused at once, not found out later; a single connection that fails on
 * a busy machine does not make it such.
 * @throws Refusal that says so.
 */
export async function dialBack(address: string, credentials: Credentials): Promise<void> {
  const client = createClient(address, credentials);
  const until = performance.now() + 1000 * reconnectSecondsMax;
  const call = { method: Cluster.method.status, request: {}, secondsMax: callSecondsMax };
  try {
    for (;;) {
      try {
        return void (await callUnary(client, call));
      } catch (error) {
        const isAway = error instanceof CallError && error.code === "unreachable";
        if (isAway && performance.now() < until) {
          await pause({ whom: `${address} to be reached`, secondsMax: dialAgainMs / 1000 });
        } else throw new Refusal(unreachedWords(address, error));
      }
    }
  } finally {
    client.close();
  }
}

function unreachedWords(address: string, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return `I can't reach you at ${address} (${reason}): open that port to the coordinator's host, or say where others reach you by --advertise HOST, --interface NAME or --port-range LOW:HIGH`;
}

/** The address others use: what the member says, or the host the coordinator sees it at. */
export function reachable(advertise: string, peer: string): string {
  if (!advertise.startsWith(":")) return advertise;
  return peer.slice(0, peer.lastIndexOf(":")) + advertise;
}

/** The models of members, after that many updates of theirs, or as they are now for 0; some may have none yet. */
export async function fetchModels(
  members: readonly Pick<RosterEntry, "rank" | "seat" | "address">[],
  how: {
    after: number;
    credentials: Credentials;
    withTelemetry?: boolean;
    signal?: AbortSignal;
  },
): Promise<(HeldModel & { telemetry: string })[]> {
  const { after, credentials, withTelemetry = false, signal } = how;
  const answers = await Promise.all(
    members.map(async ({ rank, seat, address }) => {
      const client = createClient(address, credentials);
      try {
        const reply = await callUnary(client, {
          method: Cluster.method.snapshot,
          request: { afterUpdates: BigInt(after), withTelemetry },
          secondsMax: after === 0 ? callSecondsMax : snapshotSecondsMax,
          ...(signal ? { signal } : {}),
        });
        return { rank, seat, model: modelIn(reply.model), telemetry: reply.telemetry };
      } finally {
        client.close();
      }
    }),
  );
  return answers.flatMap(({ model, ...about }) => (model ? [{ ...about, model }] : []));
}

/**
 * The models and counts of the members that have finished. One that can't be reached is asked for a while, as its
 * connections may be cut; then it counts as silent, which is told, and what the others hold is the model if it is whole:
 * of models that are averaged, the mean of theirs.
 * @throws CallError of a member without which the model is not whole; ClusterError when no server holds a part of it.
 */
export async function fetchFinished(
  roster: Roster,
  credentials: Credentials,
  tell: (event: ClusterEvent) => void,
): Promise<(HeldModel & { telemetry: string })[]> {
  const present = liveEntries(roster).filter(({ state }) => state === "finished");
  const asked = present.map((entry) => fetchPatiently(entry, credentials));
  const answers = await Promise.allSettled(asked);
  const held = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  answers.forEach((answer, k) => {
    // A newcomer that ended before it got a model hands in nothing: what it told last is counted.
    if (answer.status === "fulfilled") {
      if (answer.value.length === 0) present[k]!.state = "left";
      return;
    }
    if (!isWhole(held, roster.seats)) throw answer.reason;
    const entry = present[k]!;
    entry.state = "silent";
    const name = nameOf(entry.rank, roster.seats);
    const reason = answer.reason instanceof Error ? answer.reason.message : String(answer.reason);
    const action = "the model is that of the others";
    tell({ kind: "lost", rank: entry.rank, name, reason, action });
  });
  if (present.length > 0 && held.length === 0) {
    throw new ClusterError(
      "Nobody is left who has a model of the run, only newcomers: go on from a checkpoint with --resume",
    );
  }
  const hasServers = roster.seats.some(({ role }) => role === "server");
  if (hasServers && !isWhole(held, roster.seats)) {
    throw new ClusterError(
      "A part of the model is lost with the server that held it: with --standby another has a copy",
    );
  }
  return held;
}

/** Of members that count as silent when the run ends nobody knows what they learned last: that is told. */
export function tellMissed({ entries, seats }: Roster, tell: (event: ClusterEvent) => void): void {
  for (const { rank, state, updates } of entries.values()) {
    if (state !== "silent") continue;
    const reason = "still silent when the run ended";
    const action = `the run ended without it: what it learned after update ${updates} is unknown`;
    tell({ kind: "lost", rank, name: nameOf(rank, seats), reason, action });
  }
}

async function fetchPatiently(entry: RosterEntry, credentials: Credentials) {
  const until = performance.now() + 1000 * lastModelSecondsMax;
  for (;;) {
    try {
      return await fetchModels([entry], { after: 0, credentials, withTelemetry: true });
    } catch (error) {
      const isAway = error instanceof CallError && error.code === "unreachable";
      if (!isAway || performance.now() > until) throw error;
      await pause({ whom: `the model of member ${entry.rank}`, secondsMax: reconnectMsMax / 1000 });
    }
  }
}

/** Whether every range of the model is held by some of these: servers' where there are servers. */
function isWhole(held: readonly HeldModel[], seats: Roster["seats"]): boolean {
  const hasServers = seats.some(({ role }) => role === "server");
  const holds = ({ role }: SeatPlan) => !hasServers || role === "server";
  const here = new Set(held.filter(({ seat }) => holds(seat)).map(({ seat }) => seat.range.from));
  return held.length > 0 && seats.every((seat) => !holds(seat) || here.has(seat.range.from));
}
