/**
 * What becomes of updates where no ledger shows it in the end: a watcher around a strategy that mixes models, exchanges
 * with partners, or sums margins follows every step under faults, and says at the end what was not conserved.
 */

import type { Replica } from "../../math/replica.ts";
import type {
  AnyStrategy,
  Effect,
  NodeEvent,
  Seat,
  StrategyOptions,
  ViewMember,
} from "../../strategies/strategy.ts";
import { lifeName } from "../../topology/view.ts";

/** One step of a member's strategy, as it was. */
interface Step {
  readonly seat: Seat;
  // biome-ignore lint/suspicious/noExplicitAny: each watcher knows the state of its strategy
  readonly state: any;
  // biome-ignore lint/suspicious/noExplicitAny: and its messages
  readonly event: NodeEvent<any>;
  // biome-ignore lint/suspicious/noExplicitAny: and its messages
  readonly effects: readonly Effect<any>[];
  /** The replica before and after. */
  readonly before: Float32Array;
  readonly after: Float32Array;
}

/** Whose lives never ended, by rank, when a run is over. */
type Lasting = (rank: number) => boolean;

interface Watcher {
  look(step: Step): string | null;
  fault(lasting: Lasting): string | null;
}

const watchers: Readonly<Record<string, () => Watcher>> = {
  "d-psgd": watchMixing,
  "ad-psgd": watchExchanges,
  "feature-parallel": watchMargins,
};

/** A strategy that is watched. */
export interface Watched {
  readonly strategy: AnyStrategy;
  /** What was not conserved, in words; null when all was. */
  fault(lasting: Lasting): string | null;
}

/** The strategy, on the ledger, with a watcher where it has one. */
export function watchConservation(strategy: AnyStrategy): Watched {
  const watcher = watchers[strategy.name]?.();
  if (!watcher) return { strategy, fault: () => null };
  const seats = new WeakMap<object, Seat>();
  let found: string | null = null;
  return {
    fault: (lasting) => found ?? watcher.fault(lasting),
    strategy: {
      ...strategy,
      init(seat: Seat, options: StrategyOptions) {
        const state = strategy.init(seat, options);
        seats.set(state, seat);
        return state;
      },
      step(state: object, replica: Replica, event, out) {
        const before = replica.values.slice();
        const effects: Effect<never>[] = [];
        strategy.step(state, replica, event, effects);
        const seat = seats.get(state);
        // A copy of a state, on which a test tries something, is nobody's.
        if (seat) {
          const step = { seat, state, event, effects, before, after: replica.values };
          found ??= watcher.look(step);
        }
        for (const effect of effects) out.push(effect);
      },
    },
  };
}

function lifeNameOf({ rank, incarnation }: Pick<ViewMember, "rank" | "incarnation">): string {
  return lifeName(rank, incarnation);
}

/** What f32 may round off sums of a few dozen updates. */
const rounding = 1e-3;

interface MixRound {
  readonly among: string;
  readonly sent: Float32Array;
  readonly row: { readonly ranks: readonly number[]; readonly weights: readonly number[] };
}

/**
 * d-psgd: the models sent in a round are those of the round before, mixed, and an own update each. Where all that mixed
 * went on together, their sum has grown by their updates only; and in every view rows and columns of W sum to one.
 */
function watchMixing(): Watcher {
  const rounds = new Map<string, Map<number, MixRound>>();
  const groups = new Map<string, readonly ViewMember[]>();
  return {
    look({ seat, state, effects }) {
      const share = effects.find(
        (effect) => effect.kind === "send" && effect.body.kind === "share",
      );
      if (share?.kind !== "send") return null;
      const members: readonly ViewMember[] = state.formation.members;
      const among = members.map(lifeNameOf).join();
      groups.set(among, members);
      const own = rounds.get(lifeNameOf(seat)) ?? new Map<number, MixRound>();
      const { round, weights } = share.body;
      rounds.set(
        lifeNameOf(seat),
        own.set(round, { among, sent: weights.slice(), row: state.row }),
      );
      const sum = state.row.weights.reduce((total: number, weight: number) => total + weight, 0);
      return Math.abs(sum - 1) < 1e-9
        ? null
        : `the weights of member ${seat.rank} in round ${round} sum to ${sum}`;
    },
    fault() {
      for (const [among, members] of groups) {
        const lives = members.map(
          (life) => rounds.get(lifeNameOf(life)) ?? new Map<number, MixRound>(),
        );
        for (const round of lives[0]!.keys()) {
          const wrong =
            columnFault({ members, among, lives, round }) ??
            meanFault({ members, among, lives, round });
          if (wrong) return `${wrong} in round ${round} of members ${among}`;
        }
      }
      return null;
    },
  };
}

interface MixQuestion {
  readonly members: readonly ViewMember[];
  readonly among: string;
  readonly lives: readonly Map<number, MixRound>[];
  readonly round: number;
}

/** The rounds of all members; null unless each took part in it in this formation. */
function allIn({ lives, among }: MixQuestion, round: number): MixRound[] | null {
  const all = lives.map((own) => own.get(round));
  return all.every((one) => one?.among === among) ? (all as MixRound[]) : null;
}

function columnFault(question: MixQuestion): string | null {
  const all = allIn(question, question.round);
  if (!all) return null;
  for (const { rank } of question.members) {
    const sum = all.reduce((total, { row }) => {
      const place = row.ranks.indexOf(rank);
      return total + (place < 0 ? 0 : row.weights[place]!);
    }, 0);
    if (Math.abs(sum - 1) > 1e-9) return `the weights given to member ${rank} sum to ${sum}`;
  }
  return null;
}

/** Members that went on for two rounds more were all there when this one was mixed. */
function meanFault(question: MixQuestion): string | null {
  const { members, round } = question;
  const [first, second, third] = [0, 1, 2].map((more) => allIn(question, round + more));
  if (!first || !second || !third) return null;
  for (let k = 0; k < first[0]!.sent.length; k++) {
    const sumOf = (all: readonly MixRound[]) => all.reduce((sum, { sent }) => sum + sent[k]!, 0);
    const grown = sumOf(second) - sumOf(first);
    const learned = members.some(({ rank }) => rank === k) ? 1 : 0;
    if (Math.abs(grown - learned) < rounding) continue;
    return `updates of member ${k} in the sum of the replicas grew by ${grown}, not by ${learned},`;
  }
  return null;
}

/** ad-psgd: a replica changes by what is learned, and once on either side, by the same D, for each exchange. */
function watchExchanges(): Watcher {
  const added = new Map<string, Float32Array>();
  const taken = new Map<string, Float32Array>();
  const owners = new Map<string, readonly [number, number]>();
  const note = (sides: Map<string, Float32Array>, pair: readonly [number, number], step: Step) => {
    const [active, passive] = pair;
    const { k } = step.event.kind === "message" ? step.event.body : { k: -1 };
    const change = step.after.map((value, i) => value - step.before[i]!);
    if (change.every((value) => value === 0) && sides.has(nameOf(pair, k))) return null;
    owners.set(nameOf(pair, k), pair);
    const again = sides.has(nameOf(pair, k));
    sides.set(nameOf(pair, k), change);
    return again ? { active, passive, k } : null;
  };
  const nameOf = ([active, passive]: readonly [number, number], k: number) =>
    `exchange ${k} of members ${active} and ${passive}`;
  const twice: { active: number; passive: number; k: number }[] = [];
  return {
    look(step) {
      const { event, seat, effects, before, after } = step;
      const body = event.kind === "message" ? event.body : null;
      const from = event.kind === "message" ? event.from : -1;
      const dropped = effects.some(({ kind }) => kind === "drop");
      if (body?.kind === "offer" || body?.kind === "difference") {
        const isOffer = body.kind === "offer";
        const pair = isOffer ? ([from, seat.rank] as const) : ([seat.rank, from] as const);
        if (dropped) return null;
        const again = note(isOffer ? added : taken, pair, step);
        if (again) twice.push(again);
        return null;
      }
      if (body?.kind === "copy") return null;
      const learned = event.kind === "learned" ? (event.update.delta as Float32Array) : null;
      const wrong = after.findIndex((value, k) => {
        return Math.abs(value - before[k]! - (learned?.[k] ?? 0)) > rounding;
      });
      if (wrong < 0) return null;
      return `member ${seat.rank} changed by ${after[wrong]! - before[wrong]!} on ${event.kind}`;
    },
    fault(lasting) {
      const again = twice.find(({ active, passive }) => lasting(active) && lasting(passive));
      if (again)
        return `${nameOf([again.active, again.passive], again.k)} happened twice on one side`;
      for (const [name, pair] of owners) {
        if (!pair.every(lasting)) continue;
        const [gave, took] = [added.get(name), taken.get(name)];
        if (!gave || !took) return `${name} happened on one side only`;
        const wrong = gave.findIndex((value, k) => Math.abs(value + took[k]!) > rounding);
        if (wrong >= 0)
          return `${name} added ${gave[wrong]} on one side and ${took[wrong]} on the other`;
      }
      return null;
    },
  };
}

/**
 * feature-parallel: the ledger's margins are 8^p of worker p, so a sum shows by its digits how often it holds whose part.
 * One that was expelled and does not know it yet may end a round alone: that round counts for nobody else.
 */
function watchMargins(): Watcher {
  const rounds = new Map<number, Map<number, number>>();
  return {
    look({ seat, state, effects }) {
      for (const effect of effects) {
        if (effect.kind !== "adjust" || effect.margins.length === 0) continue;
        const round: number = state.rounds.completed;
        const sums = rounds.get(round) ?? new Map<number, number>();
        rounds.set(round, sums.set(seat.rank, effect.margins[0]!));
      }
      return null;
    },
    fault(lasting) {
      for (const [round, all] of rounds) {
        const sums = [...all].filter(([rank]) => lasting(rank));
        for (const [rank, sum] of sums) {
          const [first, others] = sums[0]!;
          if (sum !== others)
            return `round ${round}: member ${rank} got ${sum}, ${first} ${others}`;
          const digits = [...Math.abs(sum).toString(8)].map(Number).reverse();
          const twice = digits.findIndex((count) => count > 1);
          if (twice >= 0) return `round ${round} holds ${digits[twice]} parts of member ${twice}`;
          if (digits[rank] !== 1) return `round ${round} has lost the part of member ${rank}`;
        }
      }
      return null;
    },
  };
}
