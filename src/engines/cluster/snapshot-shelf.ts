/** Models a member lays aside after every so many updates, until the coordinator fetches them. */
import type { Model } from "../../math/replica.ts";
import type { MemberHost } from "../member-host.ts";
import { hasEntered } from "../membered.ts";
import { ClusterError } from "./cluster-error.ts";
import type { SnapshotRequest } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { snapshotLookSeconds, snapshotSecondsMax } from "./limits.ts";
import { snapshotReply } from "./results.ts";
import { waitFor } from "./wait.ts";

/** In lockstep nobody learns more than this many snapshots ahead of the last verdict. */
export const snapshotsAhead = 2;

/** Owns models that wait to be fetched. */
export class SnapshotShelf {
  readonly #every: number;
  readonly #models = new Map<number, Model>();
  readonly #waiting = new Map<number, ((model: Model) => void)[]>();
  /** Updates after which it was offered a model last, laid aside or not. */
  #reached = 0;

  /** @param every updates between two snapshots; 0 for none. */
  constructor(every: number) {
    this.#every = every;
  }

  /** Lays the model aside when one is due after that many updates. */
  offer(updates: number, snapshot: () => Model): void {
    if (this.#every === 0 || updates <= this.#reached) return;
    this.#reached = updates;
    this.#handOut(updates, snapshot);
    if (updates % this.#every !== 0) return;
    this.#models.set(updates, snapshot());
    // Only the last ones are kept, fetched or not: a call that broke asks again.
    for (const kept of this.#models.keys()) {
      if (kept <= updates - (snapshotsAhead + 1) * this.#every) this.#models.delete(kept);
    }
  }

  /** A newcomer begins between two snapshots: who waits for an earlier one gets its model as it is. */
  #handOut(updates: number, snapshot: () => Model): void {
    for (const [number, waiting] of this.#waiting) {
      if (number > updates) continue;
      this.#waiting.delete(number);
      const model = snapshot();
      for (const resolve of waiting) resolve(model);
    }
  }

  /**
   * The same for a caller that waits; `outside` as soon as the member takes no part: the others wait for the verdict
   * on their models, and it, as a newcomer, for them.
   * @throws ClusterError when it has not come within the time limit.
   */
  async await(updates: number, takesPart: () => boolean): Promise<Model | null | "outside"> {
    const laid = this.take(updates);
    const until = performance.now() + 1000 * snapshotSecondsMax;
    const bound = { whom: "an update of its own", secondsMax: snapshotLookSeconds };
    while (takesPart()) {
      const found = await waitFor(bound, laid).catch(() => "later" as const);
      if (found !== "later") return found;
      if (performance.now() > until) {
        throw new ClusterError(`Update ${updates} did not come within ${snapshotSecondsMax} s`);
      }
    }
    return "outside";
  }

  /** There will be no further ones: who still waits gets the last. */
  close(model: Model): void {
    for (const waiting of this.#waiting.values()) for (const resolve of waiting) resolve(model);
    this.#waiting.clear();
  }

  /** The model after that many updates, or after more where it came later; null when it is past and gone. */
  async take(updates: number): Promise<Model | null> {
    const model = this.#models.get(updates);
    if (model) return model;
    if (updates <= this.#reached) return null;
    return new Promise((resolve) => {
      this.#waiting.set(updates, [...(this.#waiting.get(updates) ?? []), resolve]);
    });
  }
}

/** Whether it has the model of the run, or its part: a newcomer may end before it got one, with zeros. */
export function holdsModel({ seat, state }: Pick<MemberHost, "seat" | "state">): boolean {
  return seat.seats[seat.rank]!.role === "server" || hasEntered(state);
}

/** The member's model after that many updates, or as it is now for 0; none while it takes no part, or never took any. */
export async function answerSnapshot(
  host: MemberHost,
  shelf: SnapshotShelf,
  { afterUpdates, withTelemetry }: SnapshotRequest,
) {
  const at = Number(afterUpdates);
  const takesPart = () => host.finished || hasEntered(host.state);
  const laid = at === 0 || host.finished ? null : await shelf.await(at, takesPart);
  const isNone = laid === "outside" || (host.finished && !holdsModel(host));
  const model = isNone ? null : (laid ?? host.replica.snapshot());
  return snapshotReply(host, model, withTelemetry);
}
