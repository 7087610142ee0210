import { describe, expect, test } from "vitest";
import { createDurations } from "../math/deadline.ts";
import { createReplica } from "../math/replica.ts";
import {
  absorbOffer,
  absorbReceived,
  begin,
  type ExchangeMessage,
  type Exchanges,
  type Offer,
  settle,
} from "./exchange.ts";
import type { Effect } from "./strategy.ts";
import { wholeUpdates } from "./thinning.ts";

function createExchanges(): Exchanges {
  const thinning = wholeUpdates;
  return { k: 0, open: null, answered: new Map(), durations: createDurations(), thinning };
}

function replicaOf(...values: number[]) {
  const replica = createReplica(values.length);
  replica.load({ rows: 0, values: Float32Array.from(values) });
  return replica;
}

function reportsOf(effects: readonly Effect<ExchangeMessage>[]) {
  return effects.flatMap((effect) => (effect.kind === "report" ? [effect.report] : []));
}

describe("a death settles open exchanges at the change of view, and the drift is reported", () => {
  test("of one that began and was not answered: none", () => {
    const out: Effect<ExchangeMessage>[] = [];
    const exchanges = createExchanges();
    begin(exchanges, replicaOf(1, 2), { to: 5, now: 0 }, out);
    settle(exchanges, { rank: 0, member: 5, left: false }, out);
    expect(exchanges.open).toBeNull();
    expect(reportsOf(out)).toEqual([{ kind: "settled", rank: 0, member: 5, drift: 0 }]);
  });

  test("of one that answered and was not acknowledged: the length of D", () => {
    const out: Effect<ExchangeMessage>[] = [];
    const exchanges = createExchanges();
    const replica = replicaOf(0, 0);
    const body: Offer = { kind: "offer", k: 1, rows: 4, values: Float32Array.from([6, 8]) };
    absorbOffer(exchanges, replica, { from: 5, body }, out);
    expect([...replica.values, replica.rows]).toEqual([3, 4, 2]);
    settle(exchanges, { rank: 0, member: 5, left: false }, out);
    expect(reportsOf(out)).toEqual([{ kind: "settled", rank: 0, member: 5, drift: 5 }]);
  });

  test("of one that is acknowledged there is nothing to settle", () => {
    const out: Effect<ExchangeMessage>[] = [];
    const exchanges = createExchanges();
    const body: Offer = { kind: "offer", k: 1, rows: 4, values: Float32Array.from([6, 8]) };
    const replica = replicaOf(0, 0);
    absorbOffer(exchanges, replica, { from: 5, body }, out);
    absorbReceived(exchanges, replica, { from: 5, body: { kind: "received", k: 1 } });
    settle(exchanges, { rank: 0, member: 5, left: false }, out);
    expect(reportsOf(out)).toEqual([]);
  });
});
