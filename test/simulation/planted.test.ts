/** Bugs planted in membership: each must be found by a law, with a seed and few faults. */
import { expect, test } from "vitest";
import { checkFaults, type FaultViolation } from "../../src/engines/simulator/fault-laws.ts";
import { type FaultGiven, runFaults } from "../../src/engines/simulator/fault-runs.ts";
import type { Replica } from "../../src/math/replica.ts";
import { adPsgd } from "../../src/strategies/ad-psgd.ts";
import { allreduce } from "../../src/strategies/allreduce.ts";
import { dPsgd } from "../../src/strategies/d-psgd.ts";
import { featureParallel } from "../../src/strategies/feature-parallel.ts";
import { asp } from "../../src/strategies/parameter-server.ts";
import { peerToPeer } from "../../src/strategies/peer-to-peer.ts";
import type { AnyStrategy, Effect, NodeEvent } from "../../src/strategies/strategy.ts";

type Body = { readonly kind: string } & Record<string, unknown>;

interface Look {
  // biome-ignore lint/suspicious/noExplicitAny: bugs reach into whatever state there is
  readonly state: any;
  readonly replica: Replica;
  /** Who sent the message. */
  readonly from: number;
}

/** The strategy with messages changed before they are taken, or before they leave; null loses them. */
function tampered(
  strategy: AnyStrategy,
  change: {
    readonly taken?: (body: Body, look: Look) => Body | null;
    readonly sent?: (body: Body) => Body | null;
    readonly before?: (look: Look) => void;
  },
): AnyStrategy {
  return {
    ...strategy,
    step(state, replica, event: NodeEvent<never>, out) {
      change.before?.({ state, replica, from: -1 });
      let given = event;
      if (event.kind === "message" && change.taken) {
        const body = change.taken(event.body as Body, { state, replica, from: event.from });
        if (body === null) return;
        given = { ...event, body: body as never };
      }
      strategy.step(state, replica, given, {
        push(effect: Effect<never>) {
          if (effect.kind !== "send" || !change.sent) return out.push(effect);
          const body = change.sent(effect.body as Body);
          if (body !== null) out.push({ ...effect, body: body as never });
        },
      });
    },
  };
}

function firstViolation(strategy: AnyStrategy, given: FaultGiven = {}): FaultViolation | null {
  for (let seed = 1; seed <= 400; seed++) {
    const violation = checkFaults(strategy, seed, given);
    if (violation) return violation;
  }
  return null;
}

test("a flush that is skipped", () => {
  const skipping = tampered(peerToPeer, {
    sent: (body) => {
      if (body.kind === "passed-on") return null;
      return body.kind === "settled" ? { ...body, count: 0 } : body;
    },
  });
  const found = firstViolation(skipping);
  expect(found?.law).toMatch(/no update of a departed member is applied by some/);
  expect(found!.faults.length).toBeLessThanOrEqual(4);
});

test("messages of a life that was expelled are accepted", () => {
  // As if the receiver did not look which life it was: the sender's present one is written over it.
  const plant = (beneath: AnyStrategy) =>
    tampered(beneath, {
      taken(body, { state, from }) {
        const members: { rank: number; incarnation: number }[] =
          state.membership.view?.members ?? [];
        const life = members.find(({ rank }) => rank === from);
        return typeof body.by !== "number" || body.kind.startsWith("m/") || !life
          ? body
          : { ...body, by: life.incarnation };
      },
    });
  const found = firstViolation(peerToPeer, { plant });
  expect(found).not.toBeNull();
});

test("a standby that applies what it is told twice", () => {
  const doubling = tampered(asp, {
    taken(body, { state, replica }) {
      const isNext = state.standing === "standby" && body.number === state.stored + 1;
      if (body.kind === "forward" && body.what === "push" && isNext) replica.apply(body as never);
      return body;
    },
  });
  const found = firstViolation(doubling, { options: { standby: true } });
  expect(found?.law).toMatch(/every update counts exactly once/);
  expect(found!.faults.length).toBeLessThanOrEqual(2);
});

test("a server that answers before its standby has what it tells of", () => {
  const hasty = tampered(asp, {
    before({ state }) {
      if (state.standing === "holder" && state.partner) state.stored = state.forwarded + 1;
    },
  });
  const found = firstViolation(hasty, { options: { standby: true } });
  // Or a worker waits for ever: it is far beyond the count of the standby that took over (seed 10).
  expect(found?.law).toMatch(
    /every update counts exactly once|no more is lost than was open|ends without deadlock/,
  );
});

test("a member that keeps its own count of rounds at a change of view", () => {
  const lying = tampered(allreduce, {
    sent: (body) =>
      body.kind === "status" && (body.completed as number) > 0
        ? { ...body, completed: (body.completed as number) - 1 }
        : body,
  });
  expect(firstViolation(lying)).not.toBeNull();
});

test("a member whose rows stay as they are when the view changes", () => {
  const plant = (beneath: AnyStrategy): AnyStrategy => ({
    ...beneath,
    standing: (state) =>
      state.seat.rank === 1
        ? { view: null, incarnation: 1, alone: false }
        : beneath.standing!(state),
  });
  const found = firstViolation(peerToPeer, { plant });
  expect(found?.law).toBe("every segment of rows has exactly one owner in every view");
  expect(found!.faults.length).toBe(1);
});

test("weights of d-psgd that sum to less than one once members have gone", () => {
  const leaking = tampered(dPsgd, {
    before({ state }) {
      const { ranks, weights } = state.row;
      if (state.formations.view < 2 || ranks.length < 2 || state.leaks) return;
      state.leaks = true;
      state.row = { ranks, weights: weights.map((weight: number) => 0.9 * weight) };
    },
  });
  const found = firstViolation(leaking);
  expect(found?.law).toMatch(/^averaging leaves the mean of the replicas unchanged/);
});

test("an offer that comes again is answered anew", () => {
  const forgetful = tampered(adPsgd, {
    taken(body, { state, from }) {
      if (body.kind === "offer") state.exchanges.answered.delete(from);
      return body;
    },
  });
  const found = firstViolation(forgetful);
  expect(found?.law).toMatch(/^an exchange happens exactly once on both/);
});

test("the part of a column owner is lost when its round is begun again", () => {
  const losing = tampered(featureParallel, {
    sent: (body) =>
      body.kind === "reduce" && body.step === 0 && (body.view as number) > 1
        ? { ...body, values: (body.values as Float32Array).map(() => 0) }
        : body,
  });
  const found = firstViolation(losing, { options: { topology: "ring" } });
  expect(found?.law).toMatch(/^every survivor's contribution is in each round exactly once/);
});

test("a worker that was expelled and comes back tells nothing of what its earlier life lost", () => {
  const silent: AnyStrategy = { ...peerToPeer, clockOf: () => 0 };
  const found = firstViolation(silent);
  expect(found?.law).toMatch(/every update counts exactly once, or is told as lost/);
});

test("an authority that does not listen to who hears whom", () => {
  const plant = (beneath: AnyStrategy) =>
    tampered(beneath, {
      taken: (body) => (body.kind === "m/beat" ? { ...body, unheard: new Uint32Array() } : body),
    });
  const found = firstViolation(allreduce, { plant });
  expect(found?.law).toBe("members that do not hear each other are not in one view for long");
  expect(found!.faults.map(({ kind }) => kind)).toContain("cut-pair");
  expect(found!.faults.length).toBeLessThanOrEqual(3);
});

test("the only server of a range is given up after a short silence", () => {
  const hasty: AnyStrategy = { ...asp, vital: () => [] };
  const found = firstViolation(hasty);
  expect(found?.law).toMatch(/is waited for while it lives/);
});

test("the same where many links are slow: of the time that is allowed they lengthen only as the slowest does", () => {
  const plant = (beneath: AnyStrategy) =>
    tampered(beneath, {
      taken: (body) => (body.kind === "m/beat" ? { ...body, unheard: new Uint32Array() } : body),
    });
  const slow = [0, 1, 4].map((rank) => ({ at: 0.1, kind: "slow-link" as const, rank, factor: 4 }));
  const cut = { at: 0.2, kind: "cut-pair" as const, ranks: [2, 3], seconds: 8 };
  const options = { topology: "ring" } as const;
  const faults = [...slow, cut];
  const { linksFault } = runFaults(allreduce, 11, { workers: 5, options, faults, plant });
  expect(linksFault).toMatch(/does not hear member/);
});

test("links that a strategy uses are not watched among many members", () => {
  const plant = (beneath: AnyStrategy) =>
    tampered(beneath, { before: ({ state }: Look) => state.membership.ways.clear() });
  const found = firstViolation(allreduce, { membership: { allPairsMax: 0 }, plant });
  expect(found?.law).toMatch(/members that do not hear each other/);
  expect(found!.faults.map(({ kind }) => kind)).toContain("cut-pair");
  expect(found!.faults.length).toBeLessThanOrEqual(2);
});
