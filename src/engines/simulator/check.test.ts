/** Five planted bugs, each found with a seed. */
import { describe, expect, test } from "vitest";
import type { Replica } from "../../math/replica.ts";
import type { Update } from "../../math/update.ts";
import { bsp } from "../../strategies/parameter-server.ts";
import {
  type AnyStrategy,
  learnEffect,
  type MessageShape,
  type NodeEvent,
  type Outbox,
  type Seat,
  type Strategy,
  type StrategyOptions,
} from "../../strategies/strategy.ts";
import { checkStrategy } from "./check.ts";

interface Sent extends Update {
  readonly kind: "update";
  readonly round: number;
}

interface State {
  readonly seat: Seat;
  readonly options: StrategyOptions;
  round: number;
  /** The open round's updates in the order they came, the own one too. */
  open: { from: number; update: Sent }[];
  early: { from: number; update: Sent }[];
}

interface Bugs {
  readonly name: string;
  /** Order in which the updates of a round are applied. */
  order?(open: State["open"]): State["open"];
  accepts?(state: State, from: number, body: Sent): boolean;
  onRound?(state: State, out: Outbox<Sent>): void;
}

/** Rounds among peers: everyone sends its update to everyone, and applies all of a round in rank order. */
function exchange(bugs: Bugs): Strategy<State, Sent> {
  const inRankOrder = (open: State["open"]) => open.sort((a, b) => a.from - b.from);
  const order = bugs.order ?? inRankOrder;
  return {
    name: bugs.name,
    sharing: "messages",
    pace: "lockstep",
    conserves: () => "sum",
    init: (seat, options) => ({ seat, options, round: 0, open: [], early: [] }),
    step,
  };

  function step(state: State, replica: Replica, event: NodeEvent<Sent>, out: Outbox<Sent>): void {
    const { seat, options } = state;
    switch (event.kind) {
      case "start":
        return out.push(learnEffect(options, { workers: seat.workers, merge: "sum" }));
      case "learned": {
        state.round++;
        const body: Sent = { kind: "update", round: state.round, ...event.update };
        for (let to = 0; to < seat.workers; to++) {
          if (to !== seat.rank) out.push({ kind: "send", to, body });
        }
        state.open = [{ from: seat.rank, update: body }];
        state.open.push(...state.early.filter(({ update }) => update.round === state.round));
        state.early = state.early.filter(({ update }) => update.round !== state.round);
        return close(state, replica, out);
      }
      case "message": {
        const { from, body } = event;
        if (bugs.accepts && !bugs.accepts(state, from, body)) return;
        const isOpen = body.round === state.round && state.open.length > 0;
        (isOpen ? state.open : state.early).push({ from, update: body });
        return close(state, replica, out);
      }
      case "exhausted":
        return out.push({ kind: "finish" });
      default:
        return;
    }
  }

  function close(state: State, replica: Replica, out: Outbox<Sent>): void {
    if (state.open.length < state.seat.workers) return;
    for (const { update } of order(state.open)) replica.apply(update);
    state.open = [];
    bugs.onRound?.(state, out);
    out.push(learnEffect(state.options, { workers: state.seat.workers, merge: "sum" }));
  }
}

const planted: readonly (Bugs & { breaks: string })[] = [
  {
    name: "lost update",
    breaks: "applies every update exactly once",
    // A round of three or more forgets who came last.
    order: (open) => (open.length > 2 ? open.slice(0, -1) : open),
  },
  {
    name: "double apply",
    breaks: "applies every update exactly once",
    order: (open) => (open.length > 3 ? [...open, open[1]!] : open),
  },
  {
    name: "reads a clock",
    breaks: "reads no clock and no chance",
    onRound: () => void Date.now(),
  },
  {
    name: "deadlock",
    breaks: "ends without deadlock",
    // Forgets updates that come before their round.
    accepts: (state, _from, body) => body.round <= state.round,
  },
  {
    name: "order dependence",
    breaks: "lockstep gives the same bits under every delay",
    order: (open) => open,
  },
];

describe("check", () => {
  test("an exchange among peers without bugs keeps every law", () => {
    const report = checkStrategy(exchange({ name: "exchange" }), { schedules: 100 });
    expect(report.verdicts.filter(({ violation }) => violation)).toEqual([]);
  });

  test.each(planted)("finds the planted bug: $name", (bug) => {
    const strategy = exchange(bug);
    const report = checkStrategy(strategy, { schedules: 100, source: "./mine.ts" });
    const verdict = report.verdicts.find(({ law }) => law === bug.breaks)!;
    expect(verdict.violation).not.toBeNull();
    const { seed, message, replay } = verdict.violation!;
    expect(replay).toBe(`npx glissade check ./mine.ts --seed ${seed} --schedules 1`);
    const again = checkStrategy(strategy, { schedules: 1, seed });
    expect(again.verdicts.find(({ law }) => law === bug.breaks)!.violation!.message).toBe(message);
  });

  test("messages are compared with the shapes that a strategy declares", () => {
    const round = { type: "count", least: 1 } as const;
    const rows = { type: "rows", of: "update" } as const;
    const delta = { type: "delta", length: "whole" } as const;
    const good = exchange({ name: "exchange" });
    const declares = (fields: MessageShape["fields"]) => {
      const report = checkStrategy({ ...good, shapes: { update: { fields } } }, { schedules: 5 });
      return report.verdicts.flatMap(({ violation }) => violation?.message ?? []);
    };
    expect(declares({ round, rows, delta })).toEqual([]);
    for (const [fields, reason] of [
      [{ round, rows }, /has not the shape that it declares: update: delta is no field of it/],
      [{ round, rows, delta, more: round }, /more is missing/],
      [{ round: { type: "flag" }, rows, delta }, /round is no yes or no/],
    ] as const) {
      expect(declares(fields)).toEqual([expect.stringMatching(reason)]);
    }
  });

  test("hidden state outside of the state is found", () => {
    const hidden: AnyStrategy = {
      ...bsp,
      name: "hidden",
      init: (seat, options) => ({ ...(bsp.init(seat, options) as object), cache: () => seat.rank }),
    };
    const report = checkStrategy(hidden, { schedules: 5 });
    const verdict = report.verdicts.find(({ law }) => law === "state and messages are plain data")!;
    expect(verdict.violation!.message).toMatch(/could not be cloned/);
  });
});
