/** What messages of membership look like (membership.ts), and the words of a view in them. */
import type { ViewMember } from "../topology/view.ts";
import {
  count,
  flag,
  type MessageBounds,
  type MessageShape,
  type MessageShapes,
  ordinal,
} from "../wire/shape.ts";
import { readView } from "./views.ts";

const by = { type: "life" } as const;
const ballot = { by, slot: count, ballot: count };
const view = { type: "words", fault: viewFault } as const;
const viewOrNone = {
  type: "words",
  fault: (words: Uint32Array, bounds: MessageBounds) =>
    words.length === 0 ? null : viewFault(words, bounds),
} as const;
const ranks = { type: "words", fault: ranksFault } as const;
const bare: MessageShape = { fields: { by } };

export const membershipShapes: MessageShapes = {
  "m/beat": {
    fields: { by, view: count, over: flag, unheard: ranks },
  },
  "m/join": { fields: { by, role: { type: "role" }, hears: ranks, lacks: ranks } },
  "m/heard": bare,
  "m/news": {
    fields: {
      ...{ by, view: count, ask: flag, own: count, within: count },
      known: { type: "records", each: 1 },
      unheard: { type: "records", each: 2, ranks: "members" },
    },
  },
  "m/wish": {
    fields: {
      ...{ by, rank: count, incarnation: ordinal },
      role: { type: "word", of: ["worker", "server"] },
      lacks: ranks,
    },
    fault: (life, bounds) => lifeFault(life as unknown as ViewMember, bounds),
  },
  "m/leave": bare,
  "m/closed": bare,
  "m/prepare": { fields: ballot },
  "m/accepted": { fields: ballot },
  "m/promise": { fields: { ...ballot, acceptedBallot: count, accepted: viewOrNone } },
  "m/accept": { fields: { ...ballot, view } },
  "m/install": { fields: { by, view } },
};

/** Whether words are a view of this run's members: ranks ascend, and each has the role of its seat. */
function viewFault(words: Uint32Array, { seats }: MessageBounds): string | null {
  const read = readView(words);
  if (read === null || read.id === 0 || read.members.length === 0) return "is no view";
  for (const life of [...read.members, ...read.left]) {
    const fault = lifeFault(life, { seats });
    if (fault !== null) return fault;
  }
  const isAscending = read.members.every(
    ({ rank }, k) => k === 0 || read.members[k - 1]!.rank < rank,
  );
  return isAscending ? null : "has members out of order";
}

/** Ranks of this run, each once, ascending: of the others, so never all. */
function ranksFault(ranks: Uint32Array, { members }: MessageBounds): string | null {
  const ascends = ranks.every((rank, k) => rank < members && (k === 0 || ranks[k - 1]! < rank));
  return ascends && ranks.length < members ? null : "are no ranks of others";
}

/** A seat's role goes with its rank: views in which it does not are nobody's. */
function lifeFault(
  { rank, incarnation, role }: ViewMember,
  { seats }: Pick<MessageBounds, "seats">,
): string | null {
  const isSeated = seats[rank]?.role === role && incarnation > 0;
  return isSeated ? null : `has ${role} ${rank}, life ${incarnation}`;
}
