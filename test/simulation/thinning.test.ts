/** What a strategy sends and what it carries, watched at every event of whole runs. */
import { expect, test } from "vitest";
import { costs } from "../../src/engines/simulator/costs.ts";
import { runSimulation } from "../../src/engines/simulator/simulator.ts";
import { quadraticTask } from "../../src/learner/quadratic.ts";
import { nextBelow, nextUniform, randomStream } from "../../src/math/random.ts";
import { type Delta, toDense } from "../../src/math/update.ts";
import { messageStrategies } from "../../src/strategies/all.ts";
import { peerToPeer } from "../../src/strategies/peer-to-peer.ts";
import { type AnyStrategy, strategyOptions } from "../../src/strategies/strategy.ts";
import { unpackDelta, valueFormats } from "../../src/wire/packed.ts";

const width = 30;

/** What one member produced and sent so far, by coordinate, and what it carries. */
interface Account {
  readonly produced: Float64Array;
  readonly sent: Float64Array;
  carry: Float64Array | null;
}

/** Reads what the state carries; "quiet" may only be said once nothing is left but rounding of f32. */
function watched(accounts: Account[]): AnyStrategy {
  return {
    ...peerToPeer,
    init(seat, options) {
      const state = peerToPeer.init(seat, options);
      accounts[seat.rank] = {
        produced: new Float64Array(width),
        sent: new Float64Array(width),
        carry: state.carry,
      };
      return state;
    },
  };
}

function add(total: Float64Array, delta: Delta): void {
  toDense(delta, width).forEach((x, i) => {
    total[i]! += x;
  });
}

function expectBalance({ produced, sent, carry }: Account, said: string): void {
  for (let i = 0; i < width; i++) {
    const error = Math.abs(sent[i]! + (carry?.[i] ?? 0) - produced[i]!);
    // All three are sums in f64: what is left is their rounding, not that of the wire.
    const bound = 1e-13 * (1 + Math.abs(produced[i]!));
    if (!(error <= bound)) expect.fail(`${said}: column ${i} differs by ${error}`);
  }
}

test("peer-to-peer: sent + carried = produced at every event, rounding included, and nothing is carried once quiet", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const draw = randomStream({ seed, purpose: "thinning-test" });
    const workers = 2 + nextBelow(draw, 4);
    const options = strategyOptions({
      rowsPerUpdate: 1 + nextBelow(draw, 4),
      values: valueFormats[seed % 3]!,
      topK: seed % 4 === 0 ? 0 : 1 + nextBelow(draw, 12),
      tolerance: seed % 2 === 0 ? 0 : 0.9 * nextUniform(draw),
    });
    const accounts: Account[] = [];
    const { deadlock, apart } = runSimulation({
      strategy: watched(accounts),
      options,
      task: quadraticTask({ workers, width, rowsPerWorker: 20, rate: 0.02, noise: 0.1 }),
      workers,
      seed,
      epochs: 2,
      costs: costs({ learnSecondsPerRow: 1e-3, latencySpread: { kind: "exponential" } }),
      watch(_now, rank, event, effects) {
        const account = accounts[rank]!;
        if (event.kind === "learned") add(account.produced, event.update.delta);
        // One body goes to all others.
        const bodies = effects.flatMap((effect) => (effect.kind === "send" ? [effect.body] : []));
        for (const body of new Set(bodies)) {
          const { kind, delta } = body as { kind: string; delta?: Delta | Uint8Array };
          if (kind === "quiet") {
            const largest = account.produced.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
            for (const x of account.carry ?? []) {
              expect(Math.abs(x), `seed ${seed}`).toBeLessThan(1e-6 * largest);
            }
          }
          if (kind !== "update") continue;
          const read = delta instanceof Uint8Array ? unpackDelta(delta, width) : { delta: delta! };
          if ("fault" in read) throw new Error(read.fault);
          add(account.sent, read.delta);
        }
        expectBalance(account, `seed ${seed}, rank ${rank}, ${event.kind}`);
      },
    });
    expect(deadlock, `seed ${seed}`).toBeNull();
    expect(apart, `seed ${seed}`).toBeLessThan(1e-5);
  }
});

test("strategies that send everything say why they do", () => {
  const thins = ["peer-to-peer", "ad-psgd", "serial"];
  for (const { name, refuses } of messageStrategies) {
    const question = { workers: name === "serial" ? 1 : 3, width };
    const learn = name === "feature-parallel" ? "gradient" : "local";
    const said = refuses?.(question, strategyOptions({ learn, values: "f16" })) ?? null;
    if (thins.includes(name)) expect(said).toBeNull();
    else expect(said).toMatch(new RegExp(`^${name} sends everything, as .+: values must be f32`));
  }
});
