/** The exchanges of ad-psgd, watched at every event, while messages are delayed, doubled and lost. */
import { expect, test } from "vitest";
import { costs } from "../../src/engines/simulator/costs.ts";
import { runSimulation } from "../../src/engines/simulator/simulator.ts";
import { ledgerTask } from "../../src/learner/ledger-task.ts";
import { nextBelow, nextUniform, randomStream } from "../../src/math/random.ts";
import type { Replica } from "../../src/math/replica.ts";
import { toDense } from "../../src/math/update.ts";
import { adPsgd } from "../../src/strategies/ad-psgd.ts";
import type { Exchanges } from "../../src/strategies/exchange.ts";
import { type AnyStrategy, type Effect, strategyOptions } from "../../src/strategies/strategy.ts";

interface Seen {
  readonly states: { readonly exchanges: Exchanges }[];
  readonly replicas: Replica[];
}

/** The strategy, with its states and replicas in view, and a share of its exchange messages lost. */
function watched(seen: Seen, seed: number, loss: number): AnyStrategy {
  const stream = randomStream({ seed, purpose: "lost-messages" });
  return {
    ...adPsgd,
    init(seat, options) {
      const state = adPsgd.init(seat, options);
      seen.states[seat.rank] = state as unknown as Seen["states"][number];
      return state;
    },
    step(state, replica, event, out) {
      seen.replicas[seen.states.indexOf(state)] = replica;
      adPsgd.step(state, replica, event, {
        push(effect: Effect<never>) {
          const { kind } = effect.kind === "send" ? (effect.body as { kind: string }) : effect;
          const isExchange = ["offer", "difference", "received"].includes(kind);
          if (!(isExchange && nextUniform(stream) < loss)) out.push(effect);
        },
      });
    },
  };
}

/** D that was added by a passive member and not yet taken out by the active one, in a coordinate. */
function unreceived({ states }: Seen, coordinate: number): number {
  let sum = 0;
  states.forEach(({ exchanges }, passive) => {
    for (const [active, { k, delta }] of exchanges.answered) {
      const { open } = states[active]!.exchanges;
      if (delta && open?.to === passive && open.offer.k === k) {
        sum += toDense(delta, states.length)[coordinate]!;
      }
    }
  });
  return sum;
}

test("the sum of replicas minus logged, unreceived D changes only by learning", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const draw = randomStream({ seed, purpose: "exchange-test" });
    const workers = 2 + nextBelow(draw, 6);
    const seen: Seen = { states: [], replicas: [] };
    const learned = new Float64Array(workers);
    const { deadlock, telemetry, model } = runSimulation({
      strategy: watched(seen, seed, seed % 2 === 0 ? 0 : 0.3),
      options: strategyOptions({
        topology: seed % 3 === 0 ? "exponential" : "ring",
        ...(seed % 4 === 0 ? { values: "bf16", topK: 2, tolerance: 0.1 } : {}),
      }),
      task: ledgerTask({ workers, rowsPerWorker: 12 }),
      workers,
      seed,
      epochs: 2,
      costs: costs({
        learnSecondsPerRow: 10 ** (-5 + 3 * nextUniform(draw)),
        learnSpread: { kind: "exponential" },
        latencySpread: { kind: "exponential" },
      }),
      duplicates: 0.2,
      eventsMax: 100_000,
      watch(_now, rank, event) {
        if (event.kind === "learned") learned[rank]!++;
        if (seen.replicas.filter(Boolean).length < workers) return;
        for (let coordinate = 0; coordinate < workers; coordinate++) {
          const sum = seen.replicas.reduce((total, { values }) => total + values[coordinate]!, 0);
          const held = sum - unreceived(seen, coordinate);
          expect(Math.abs(held - learned[coordinate]!), `seed ${seed}`).toBeLessThan(1e-3);
        }
      },
    });
    expect(deadlock, `seed ${seed}`).toBeNull();
    for (let rank = 0; rank < workers; rank++) {
      const { updates } = telemetry.members[rank]!;
      expect(model.values[rank]! * workers, `seed ${seed}`).toBeCloseTo(updates, 2);
    }
  }
});

test("between two members that stay alive an exchange happens exactly once on both", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const seen: Seen = { states: [], replicas: [] };
    const counts = { offered: new Set<string>(), taken: [] as string[] };
    const { deadlock } = runSimulation({
      strategy: watched(seen, seed, 0.25),
      options: strategyOptions({ topology: "ring" }),
      task: ledgerTask({ workers: 4, rowsPerWorker: 10 }),
      workers: 4,
      seed,
      epochs: 2,
      costs: costs({ learnSecondsPerRow: 1e-3, latencySpread: { kind: "exponential" } }),
      duplicates: 0.2,
      eventsMax: 100_000,
      watch(_now, rank, event, effects) {
        const dropped = effects.some(({ kind }) => kind === "drop");
        if (event.kind !== "message" || dropped) return;
        const body = event.body as { kind: string; k?: number };
        if (body.kind === "offer") counts.offered.add(`${event.from}:${body.k}`);
        if (body.kind === "difference") counts.taken.push(`${rank}:${body.k}`);
      },
    });
    expect(deadlock).toBeNull();
    expect(new Set(counts.taken).size).toBe(counts.taken.length);
    expect([...counts.taken].sort()).toEqual([...counts.offered].sort());
    expect(seen.states.every(({ exchanges }) => exchanges.open === null)).toBe(true);
  }
});
