/**
 * Members that hold a part of the model that nobody else has: servers without a standby. Nobody learns on without
 * them, and nobody can take their place, so they are waited for while they may live, and the run fails once they can't.
 * While they are only silent the wait has an end, too: the others give them up after a lease (`leaseSeconds`; givenUp in
 * membership/suspicion.ts), and the run fails with the view that is without them.
 */
import type { Found } from "./abandoned.ts";
import { ClusterError } from "./cluster-error.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import { leaseSeconds, reconnectMsMax, refusalsMin } from "./limits.ts";
import { nameOf, type Roster, type RosterEntry } from "./roster.ts";
import { pause } from "./wait.ts";

/** What the watch needs of its coordinator. */
interface VitalPort {
  readonly isRunning: () => boolean;
  readonly isStopping: () => boolean;
  readonly fail: (error: Error) => void;
  /** Asks at the member's address whether it lives. */
  readonly find: (entry: RosterEntry) => Promise<Found>;
}

/** Knows who may not be lost, and fails the run when one is. */
export class VitalWatch {
  readonly #options: Pick<CoordinatorOptions, "plan">;
  readonly #roster: Roster;
  readonly #port: VitalPort;
  /** Of each process that is asked for: the silence for which it is. */
  readonly #silences = new Map<RosterEntry, symbol>();

  constructor(options: Pick<CoordinatorOptions, "plan">, roster: Roster, port: VitalPort) {
    this.#options = options;
    this.#roster = roster;
    this.#port = port;
  }

  /** Their ranks, as the latest view has them. */
  get ranks(): readonly number[] {
    const { strategy, workers, options } = this.#options.plan;
    return strategy.vital?.(this.#roster.view, { workers }, options) ?? [];
  }

  /** One of them is silent or dead: the run fails once it is known to have ended. */
  miss(entry: RosterEntry): void {
    if (entry.state === "dead") return this.#lose(entry.rank);
    if (this.#port.isStopping()) return this.stop();
    if (this.#silences.has(entry)) return;
    const silence = Symbol();
    this.#silences.set(entry, silence);
    const isSame = () => this.#silences.get(entry) === silence;
    const isSilent = () => isSame() && entry.state === "silent" && this.#port.isRunning();
    const ended = hasEnded(entry, { find: this.#port.find, isSilent }).then((isOver) => {
      if (isSame()) this.#silences.delete(entry);
      if (isOver) this.#lose(entry.rank);
    });
    ended.catch((error: Error) => this.#port.fail(error));
  }

  /** It was heard of: refusals until now say nothing of a silence to come. */
  heard(entry: RosterEntry): void {
    this.#silences.delete(entry);
  }

  /** The run was taken up: who was silent before is asked for again, as nobody will find it silent once more. */
  takeUp(): void {
    for (const rank of this.ranks) {
      const entry = this.#roster.entries.get(rank);
      if (entry?.state === "silent") this.miss(entry);
    }
  }

  /** The run was asked to stop: in good order it can't while one of them is missing. */
  stop(): void {
    const { entries } = this.#roster;
    const rank = this.ranks.find((one) => entries.get(one)?.state === "silent");
    if (rank !== undefined) this.#port.fail(stoppedWithout(rank, this.#roster));
  }

  /** Members have agreed on a view; whether it is one that the run can go on in. */
  follow(): boolean {
    const rank = this.#port.isRunning() ? lostServer(this.#roster) : undefined;
    if (rank !== undefined) this.#lose(rank);
    return rank === undefined;
  }

  #lose(rank: number): void {
    const who = nameOf(rank, this.#roster.seats);
    const words = `A part of the model is lost with ${who}: with --standby another has a copy`;
    this.#port.fail(new ClusterError(words));
  }
}

/**
 * The rank of a server whose range nobody has in that view any more, while workers learn; undefined for none. Servers whose
 * part is over have theirs still: the others may count them out before all have finished.
 */
export function lostServer({ seats, planned, entries, view }: Roster): number | undefined {
  const { members, left } = view;
  if (!members.some(({ role }) => role === "worker")) return undefined;
  const ended = left.filter((life) => life.ended);
  const finished = [...entries.values()].filter(({ state }) => state === "finished");
  const held = [...members, ...ended, ...finished]
    .map(({ rank }) => seats[rank])
    .map((seat) => (seat?.role === "server" ? seat.range.from : null));
  const isLost = ({ role, range }: Roster["seats"][number]) =>
    role === "server" && !held.includes(range.from);
  const rank = seats.slice(0, planned).findIndex(isLost);
  return rank < 0 ? undefined : rank;
}

/** That a run was asked to stop while it waited for its members. */
export function stoppedBefore(): ClusterError {
  return new ClusterError("Asked to stop before anything was learned: no model is saved", {
    isAsked: true,
  });
}

/** That a run was asked to stop which has nobody to end it in good order. */
function stoppedWithout(rank: number, { seats }: Roster): ClusterError {
  const who = nameOf(rank, seats);
  return new ClusterError(`Asked to stop while ${who} is not there, and nobody ends without it`, {
    isAsked: true,
  });
}

/**
 * Whether a silent member has ended, as its host says three times that nobody listens at its place; false once it
 * is silent no longer. One that is stopped, or cut off, is silent without that; after twice the lease, by which the
 * others have given it up or ended without a quorum, it counts as ended.
 */
async function hasEnded(
  entry: RosterEntry,
  of: {
    readonly find: VitalPort["find"];
    readonly isSilent: () => boolean;
  },
): Promise<boolean> {
  const bound = {
    whom: `member ${entry.rank}, or word that it has ended`,
    secondsMax: reconnectMsMax / 1000,
  };
  const until = performance.now() + 2 * leaseSeconds * 1000;
  let refused = 0;
  while (of.isSilent() && performance.now() < until) {
    const life = await of.find(entry);
    // A call that finds no words for it says nothing, neither way.
    if (life === "slow") refused = 0;
    if (life === "gone") refused += 1;
    if (refused >= refusalsMin) break;
    await pause(bound);
  }
  return of.isSilent();
}

/** What the others do about a member that is lost. */
export function lostAction({ isEnd, isVital }: { isEnd: boolean; isVital: boolean }): string {
  if (isEnd) return "the run ends";
  if (isVital)
    return "nobody learns on without it: all wait until it is back, or known to have ended";
  return "the others go on without it, unless it comes back";
}
