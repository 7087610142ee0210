/**
 * Views as values: who follows whom, what a quorum is, who has authority, and views as words of a message.
 *
 * Authority: the lowest live rank of the last view. A new view needs a quorum of the last one's members: a
 * majority, or of an even split the side with its lowest rank; with `quorum: 1` anybody.
 *
 * Source: algorithms.md, section 10.
 * Invariant: two quorums of one view share a member.
 */
import type { PastMember, View, ViewMember } from "../topology/view.ts";

/** Whether two names are of one life of one member. */
export function isSameLife(a: ViewMember, b: ViewMember): boolean {
  return a.rank === b.rank && a.incarnation === b.incarnation;
}

/** Whether that life is among these. */
export function includesLife(members: readonly ViewMember[], life: ViewMember): boolean {
  return members.some((member) => isSameLife(member, life));
}

/** Whether these ranks may decide what follows the view. */
export function isQuorum(
  { members }: View,
  ranks: ReadonlySet<number>,
  rule: "majority" | "any" = "majority",
): boolean {
  const present = members.filter(({ rank }) => ranks.has(rank)).length;
  if (rule === "any") return present > 0;
  if (2 * present !== members.length) return 2 * present > members.length;
  return members.length > 0 && ranks.has(members[0]!.rank);
}

/** Whether two members may have something to say to each other: with servers workers speak to those only. */
export function haveDealings({ members }: View, a: ViewMember, b: ViewMember): boolean {
  if (a.role === "server" || b.role === "server") return true;
  return members.every(({ role }) => role === "worker");
}

/**
 * What follows a view: lives that go are dropped or have left, newcomers replace older lives of their rank.
 * @param change of the finished ranks those in `ended` have come to the end of the run, the others leave it.
 */
export function successorView(
  view: View,
  change: {
    readonly gone: ReadonlySet<number>;
    readonly finished: ReadonlySet<number>;
    readonly ended: ReadonlySet<number>;
    readonly joining: readonly ViewMember[];
  },
): View {
  const newcomers = change.joining.filter((life) => !includesLife(view.members, life));
  const replaced = new Set(newcomers.map(({ rank }) => rank));
  const stays = view.members.filter(
    ({ rank }) => !change.gone.has(rank) && !change.finished.has(rank) && !replaced.has(rank),
  );
  const leaves = view.members
    .filter(
      ({ rank }) => change.finished.has(rank) && !change.gone.has(rank) && !replaced.has(rank),
    )
    .map((life): PastMember => (change.ended.has(life.rank) ? { ...life, ended: true } : life));
  const members = [...stays, ...newcomers].sort((a, b) => a.rank - b.rank);
  // Of a rank that comes back nothing of its earlier life is delivered any more.
  const left = [...view.left, ...leaves].filter(({ rank }) => !replaced.has(rank));
  return { id: view.id + 1, members, left };
}

/** Whether a view differs from the one before in who takes part. */
export function changesMembers(before: View, after: View): boolean {
  if (before.members.length !== after.members.length) return true;
  return !after.members.every((life) => includesLife(before.members, life));
}

/** A process may be expelled and join again that often: its lives and those of the next share no number. */
export const livesMax = 1 << 10;

/** Whether an earlier life of the same process was expelled. */
export function wasExpelled({ incarnation }: Pick<ViewMember, "incarnation">): boolean {
  return (incarnation - 1) % livesMax > 0;
}

const roleCodes = ["worker", "server"] as const;

/**
 * A view as words: id, how many are members, then (rank, incarnation, role) of members and of who left. The role of one
 * whose run had ended is a number further on.
 */
export function viewWords({ id, members, left }: View): Uint32Array {
  const words = ({ rank, incarnation, role, ended }: PastMember) => {
    return [rank, incarnation, roleCodes.indexOf(role) + (ended ? roleCodes.length : 0)];
  };
  return Uint32Array.from([id, members.length, ...[...members, ...left].flatMap(words)]);
}

/** The view that these words are; null when they are none. */
export function readView(words: Uint32Array): View | null {
  const [id, count] = words;
  if (id === undefined || count === undefined || (words.length - 2) % 3 !== 0) return null;
  const lives: PastMember[] = [];
  for (let k = 2; k < words.length; k += 3) {
    const code = words[k + 2]!;
    const hasEnded = code >= roleCodes.length;
    const role = roleCodes[hasEnded ? code - roleCodes.length : code];
    if (role === undefined || (hasEnded && lives.length < count)) return null;
    const life = { rank: words[k]!, incarnation: words[k + 1]!, role };
    lives.push(hasEnded ? { ...life, ended: true } : life);
  }
  if (count > lives.length) return null;
  return { id, members: lives.slice(0, count), left: lives.slice(count) };
}
