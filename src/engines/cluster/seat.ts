/** How a process gets a seat in a run, and the rows that go with it. */
import { hostname } from "node:os";
import type { Model } from "../../math/replica.ts";
import type { LinearModel } from "../../model/model.ts";
import type { Credentials } from "./credentials.ts";
import {
  Cluster,
  type JoinReply,
  type RowsPart,
} from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { ownHandshake, type RunIdentity, refuseHandshake, unknownRun } from "./handshake.ts";
import type { ClusterJob } from "./job.ts";
import {
  joinSecondsMax,
  joinToldSeconds,
  reconnectMsMax,
  reconnectMsMin,
  seatSecondsMax,
} from "./limits.ts";
import { modelIn } from "./models.ts";
import { createKeys, type KeyPair, type Proof } from "./passes.ts";
import type { Limits } from "./protection.ts";
import { Refusal } from "./refusal.ts";
import { CallError, callUnary, type MemberClient, methodOf } from "./rpc.ts";
import type { OpenShared } from "./shared-rows.ts";
import { pause, waitFor } from "./wait.ts";

/** Where a member saves the model of a run. */
export interface ModelSaver {
  /** @throws Error when it could not be saved. */
  check(run: string): Promise<void>;
  /** Resolves to where it is. */
  write(model: LinearModel, run: string): Promise<string>;
}

/** How a process becomes a member. */
export interface MemberOptions {
  /** HOST:PORT of the coordinator. */
  readonly join: string;
  readonly credentials: Credentials;
  readonly limits?: Limits;
  /** HOST:PORT to listen at; port 0 is a free one. */
  readonly listen: string;
  readonly portRange?: { readonly low: number; readonly high: number } | null;
  /** HOST or HOST:PORT at which others reach it; null: the address the coordinator sees, and the own port. */
  readonly advertise: string | null;
  readonly rankHint: number;
  /** What the process knows of the run by itself. */
  readonly expects?: Partial<RunIdentity>;
  readonly log: (line: string) => void;
  /** Reads rows at a path that the run's members share. */
  readonly openShared?: OpenShared;
  /** Saves the model of a run that ended without its coordinator. */
  readonly save?: ModelSaver;
}

/** Why a member's part is over. */
export type MemberEnd =
  | { readonly kind: "done" }
  | { readonly kind: "left" }
  /** Its coordinator was gone for longer than the run allows. */
  | { readonly kind: "orphaned"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string };

/** How the end of the run ends the part of a member. */
export function closedBy({ missed }: { readonly missed: boolean }, isLeaving: boolean): MemberEnd {
  if (!missed) return { kind: isLeaving ? "left" : "done" };
  const message = "the run ended without this member, which was not heard of for too long";
  return { kind: "failed", message: `${message}: what it learned last may be in no model` };
}

/** A seat, and everything that came with it. */
export interface Seated {
  readonly rank: number;
  readonly incarnation: number;
  readonly address: string;
  /** HOST:PORT from which the joining was seen to come. */
  readonly seen: string;
  /** Where the coordinator is: not where it was asked, if that was a member. */
  readonly coordinator: string;
  readonly identity: RunIdentity;
  readonly job: ClusterJob;
  readonly initial: Model | null;
  readonly proof: Proof | null;
}

/**
 * Asks for a seat until the coordinator answers.
 * @throws CallError when it refuses, which is final, or is not there within the time limit.
 */
export async function askForSeat(
  client: MemberClient,
  options: MemberOptions,
  port: number,
): Promise<Seated> {
  const { advertise, rankHint, expects } = options;
  const address = advertise === null ? `:${port}` : withPort(advertise, port);
  const until = Date.now() + 1000 * joinSecondsMax;
  const own = createKeys();
  let toldAt = 0;
  for (let wait = reconnectMsMin; ; wait = Math.min(reconnectMsMax, 2 * wait)) {
    try {
      const reply = await callUnary(client, {
        method: Cluster.method.join,
        request: {
          handshake: ownHandshake({ ...unknownRun, ...expects }),
          ...{ advertise: address, rankHint, host: hostname(), process: process.pid },
          key: own.key,
        },
        secondsMax: seatSecondsMax,
      });
      return seatOf(reply, options, own);
    } catch (error) {
      const silent = error instanceof CallError && error.code === "unreachable";
      if (!silent || Date.now() > until) throw error;
      if (Date.now() - toldAt > 1000 * joinToldSeconds) {
        toldAt = Date.now();
        const left = Math.ceil((until - toldAt) / 1000);
        options.log(`waits for the coordinator at ${options.join}, ${left} s more: ${error.words}`);
      }
      await pause({ whom: `the coordinator at ${options.join}`, secondsMax: wait / 1000 });
    }
  }
}

function seatOf(reply: JoinReply, { expects, join }: MemberOptions, own: KeyPair): Seated {
  const refused = refuseHandshake(
    reply.handshake,
    { ...unknownRun, ...expects },
    "the coordinator",
  );
  if (refused !== null) throw new Refusal(refused);
  const { run, settings, data, split } = reply.handshake!;
  const { rank, incarnation, address, seen } = reply;
  const coordinator = reply.coordinator || join;
  const identity = { run, settings, data, split };
  const job = JSON.parse(reply.job) as ClusterJob;
  const { pass, seal } = reply;
  const proof = seal === "" ? null : { own, pass, seal };
  const initial = modelIn(reply.initial);
  return { rank, incarnation, address, seen, coordinator, identity, job, initial, proof };
}

/** A seat for the log: where others see this process is what one needs to know when they don't reach it. */
export function seatWords({ rank, incarnation, address, seen, job }: Seated): string {
  const role = job.seats[rank]?.role ?? "member";
  return `${role} ${rank}, life ${incarnation}: seen at ${seen}, reached at ${address}`;
}

/** Fetches the rows of segments. */
export function fetchRows(
  client: MemberClient,
  join: string,
  wanted: { rank: number; incarnation: number; segments: number[] },
  take: (part: RowsPart) => void,
): Promise<void> {
  if (wanted.segments.length === 0) return Promise.resolve();
  const { path, requestSerialize, responseDeserialize } = methodOf(Cluster.method.rows);
  const call = client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    { $typeName: Cluster.method.rows.input.typeName, ...wanted },
    client.metadataOf(Cluster.method.rows),
    { deadline: Date.now() + 1000 * joinSecondsMax },
  );
  const all = new Promise<void>((resolve, reject) => {
    call.on("data", (part) => take(part as RowsPart));
    call.on("end", resolve);
    call.on("error", (error) => reject(new CallError("Rows", join, error as never)));
  });
  return waitFor({ whom: `rows from ${join}`, secondsMax: 1 + joinSecondsMax }, all);
}

function withPort(address: string, port: number): string {
  return /:\d+$/.test(address) ? address : `${address}:${port}`;
}
