/**
 * A run that ended without a coordinator: the members have its model, and nobody asks for it. The first member of the
 * last view that can puts it together and saves it where it runs.
 */
import { type LinearModel, weightsFromVector } from "../../model/model.ts";
import type { View } from "../../strategies/strategy.ts";
import type { MemberHost } from "../member-host.ts";
import { ClusterError } from "./cluster-error.ts";
import { aloneAfterSeconds, callSecondsMax } from "./limits.ts";
import type { PeerAddress } from "./links.ts";
import { fetchModels } from "./member-calls.ts";
import { joinModels } from "./results.ts";
import type { MemberOptions, Seated } from "./seat.ts";
import { holdsModel } from "./snapshot-shelf.ts";

/** Everything of a model file but its weights. */
export type ModelFacts = Omit<LinearModel, "weights">;

/** What it takes to put the model of a run together. */
interface Estate {
  readonly view: View;
  readonly addresses: readonly PeerAddress[];
  readonly seated: Seated;
  readonly options: Pick<MemberOptions, "credentials" | "save" | "log">;
}

/** Sees to it, once a member has finished, that the model of its run is not lost with the coordinator. */
export class ModelKeeper {
  #isSafe = false;
  #begun = false;
  #failure: string | null = null;
  /** Of `performance.now()`. */
  #handedAt = Number.NEGATIVE_INFINITY;

  /** Somebody has this member's model, or it has saved that of the run itself. */
  get isSafe(): boolean {
    return this.#isSafe;
  }

  /** Why this member could not save it; null where it could, or was not asked to. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Somebody asks for this member's model. */
  hand(): void {
    this.#isSafe = true;
    this.#handedAt = performance.now();
  }

  /** Since somebody asked last: the answer is still on its way for a while. */
  get handedSeconds(): number {
    return (performance.now() - this.#handedAt) / 1000;
  }

  /**
   * To be called now and then; members act in the order of the view, the next when those before did not. Whether this
   * one has nothing more to do: the model is safe, or there is none to save, or it was counted out before the end.
   */
  act(host: MemberHost, secondsWaited: number, estate: Estate): boolean {
    const place = estate.view.members.findIndex(({ rank }) => rank === host.seat.rank);
    if (place >= 0) this.#actInTurn(host, { secondsWaited, place }, estate);
    const { options, seated } = estate;
    return place < 0 || this.isSafe || !options.save || !seated.job.model;
  }

  #actInTurn(
    host: MemberHost,
    { secondsWaited, place }: { secondsWaited: number; place: number },
    estate: Estate,
  ): void {
    const { seated, options } = estate;
    const isTurn = secondsWaited > aloneAfterSeconds + place * callSecondsMax;
    if (this.#begun || this.isSafe || !isTurn || !options.save || !seated.job.model) return;
    this.#begun = true;
    saveModel(host, estate).then(
      (path) => {
        this.#isSafe = true;
        options.log(`the run is over and its coordinator gone: saved the model at ${path}`);
      },
      (error: Error) => {
        this.#failure = error.message;
        options.log(`could not save the model of the run: ${error.message}`);
      },
    );
  }
}

/** The model of the run: this member's, and those of the others of its view that can be reached. */
async function saveModel(
  host: MemberHost,
  { view, addresses, seated, options }: Estate,
): Promise<string> {
  if (!holdsModel(host)) {
    throw new ClusterError("this process had not got it yet when the others were gone");
  }
  // Others whose models are taken count on this member: not where it can't save them.
  await options.save!.check(seated.identity.run);
  const { seat, replica, width } = host;
  const { credentials } = options;
  const own = { rank: seat.rank, seat: seat.seats[seat.rank]!, model: replica.snapshot() };
  const others = view.members.flatMap(({ rank }) => {
    const address = addresses.find((one) => one.rank === rank)?.address;
    return address && rank !== seat.rank ? [{ rank, seat: seat.seats[rank]!, address }] : [];
  });
  const asked = others.map((one) =>
    fetchModels([one], { after: 0, credentials }).catch((error: Error) => {
      options.log(`goes without the model of member ${one.rank}: ${error.message}`);
      return [];
    }),
  );
  const found = (await Promise.all(asked)).flat();
  const held = [own, ...found].sort((a, b) => a.rank - b.rank);
  const model = joinModels(replica, held, width);
  const scale = replica.scale(model.rows);
  const vector = Float32Array.from(model.values, (value) => scale * value);
  const facts = seated.job.model!;
  return options.save!.write(
    { ...facts, weights: weightsFromVector(vector, facts) },
    seated.identity.run,
  );
}
