import { expect, test } from "vitest";
import { createReplica } from "../math/replica.ts";
import { allreduce } from "./allreduce.ts";
import { featureParallel } from "./feature-parallel.ts";
import {
  type AnyStrategy,
  type Effect,
  type NodeEvent,
  strategyOptions,
  type View,
} from "./strategy.ts";

function lifeOf(rank: number, incarnation = 1) {
  return { rank, incarnation, role: "worker" as const };
}

/** What member 1 asks for, which comes back in view 2, with member 0 or alone, and is told of the next view. */
function newcomerByHand(strategy: AnyStrategy, first: Partial<View>, next?: Partial<View>) {
  const own = lifeOf(1, 2);
  const view = { id: 2, left: [], ...first, members: [...(first.members ?? []), own] };
  const seat = { ...own, workers: 2, members: 2, width: 2, range: { from: 0, to: 2 }, seed: 1 };
  const state = strategy.init({ ...seat, view }, strategyOptions());
  const out: Effect<never>[] = [];
  const give = (event: NodeEvent<never>) => {
    strategy.step(state, createReplica(2), event, out);
  };
  give({ kind: "start", now: 0 });
  if (next) give({ kind: "view", now: 1, view: { id: 3, members: [own], left: [], ...next } });
  return out.map(({ kind }) => kind).filter((kind) => kind !== "send");
}

test.each([
  ["allreduce", allreduce as AnyStrategy, "learn"],
  ["feature-parallel", featureParallel as AnyStrategy, "predict"],
])(
  "%s: a newcomer ends where the run has ended for the others, and begins anew where they have died or left",
  (_, strategy, first) => {
    const other = lifeOf(0);
    const ended = { left: [{ ...other, ended: true as const }] };
    const together = { members: [other] };
    expect(newcomerByHand(strategy, together, ended)).toEqual(["finish"]);
    expect(newcomerByHand(strategy, ended)).toEqual(["finish"]);
    expect(newcomerByHand(strategy, together, { left: [other] })).toEqual([first]);
    expect(newcomerByHand(strategy, { left: [other] })).toEqual([first]);
    expect(newcomerByHand(strategy, together, {})).toEqual([first]);
    expect(newcomerByHand(strategy, {})).toEqual([first]);
  },
);
