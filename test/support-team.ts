/** Members of one view, without an engine: their beats, and whom these do not reach. */
import {
  absorbMembership,
  beat,
  becomeNewLife,
  conclude,
  createMembership,
} from "../src/membership/membership.ts";
import type { MembershipMessage } from "../src/membership/messages.ts";
import { noteSign, noteUse } from "../src/membership/ways.ts";
import { firstView } from "../src/topology/view.ts";

const beatSeconds = 0.5;

/** Members of one view, whose messages arrive at once unless `drops` says otherwise. */
export function createTeam(
  members: number,
  drops: (from: number, to: number) => boolean = () => false,
  { workers = members, vital = [] }: { workers?: number; vital?: readonly number[] } = {},
) {
  const view = firstView({ workers, members });
  const states = view.members.map(({ rank, incarnation, role }) => ({
    ...createMembership(
      { rank, incarnation, role, ranks: members, view },
      { beatSeconds, quorum: "majority" },
    ),
    vital,
  }));
  const silent = new Set<number>();
  const counts = { messages: 0, pairs: new Set<string>() };
  type Sent = { from: number; to: number; body: MembershipMessage };
  const queue: Sent[] = [];
  const outOf = (from: number) => ({
    push: ({ to, body }: { to: number; body: MembershipMessage }) => {
      queue.push({ from, to, body });
    },
  });
  /** Who is expelled begins its next life. */
  const settle = (rank: number, verdict = conclude(states[rank]!)) => {
    if (verdict?.kind === "expelled") states[rank] = becomeNewLife(states[rank]!);
  };
  const deliver = (now: number) => {
    for (let sent = queue.shift(); sent; sent = queue.shift()) {
      const { from, to, body } = sent;
      counts.messages++;
      counts.pairs.add(`${from} ${to}`);
      if (silent.has(to) || drops(from, to)) continue;
      settle(to, absorbMembership(states[to]!, { from, body, now }, outOf(to)));
      settle(to);
    }
  };
  /** What the strategy of one says to that of another. */
  const speak = (from: number, to: number, now: number) => {
    noteUse(states[from]!, to, now);
    if (states[from]!.view === null || states[to]!.view === null || drops(from, to)) return;
    noteUse(states[to]!, from, now);
    noteSign(states[to]!, { from, by: states[from]!.incarnation, now });
  };
  /** Everybody beats, each a little after the one before. */
  const beatOnce = (number: number) => {
    counts.messages = 0;
    states.forEach((state, rank) => {
      if (silent.has(rank)) return;
      const now = beatSeconds * (number + rank / members);
      beat(state, now, outOf(rank));
      deliver(now);
      settle(rank);
    });
    return counts.messages;
  };
  return { states, silent, counts, beatOnce, speak };
}
