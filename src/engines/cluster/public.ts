/** Questions to a running cluster, for commands: everything is loaded on first use. */
import type { Credentials } from "./credentials.ts";
import {
  Cluster,
  type MemberStatus,
  type ReachReply,
  type StatusReply,
  type StopReply,
  type Wait,
} from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { seatSecondsMax } from "./limits.ts";
import { callUnary, createClient } from "./rpc.ts";

export type { MemberStatus, ReachReply, StatusReply, StopReply, Wait };

/** A process of a run, and what to show it. */
export interface Target {
  readonly address: string;
  readonly credentials: Credentials;
}

/** How the run goes, as that process sees it. */
export async function askStatus({ address, credentials }: Target): Promise<StatusReply> {
  const client = createClient(address, credentials);
  try {
    return await callUnary(client, { method: Cluster.method.status, request: {} });
  } finally {
    client.close();
  }
}

/** Whether that process reaches a caller that listens at `advertise` (`:PORT` for the host it is seen at). */
export async function askReach(
  { address, credentials }: Target,
  advertise: string,
): Promise<ReachReply> {
  const client = createClient(address, credentials);
  try {
    const call = { method: Cluster.method.reach, request: { advertise } };
    return await callUnary(client, { ...call, secondsMax: seatSecondsMax });
  } finally {
    client.close();
  }
}

/** Ends the run in good order, or has a member leave it. */
export async function askStop(
  { address, credentials }: Target,
  reason: string,
): Promise<StopReply> {
  const client = createClient(address, credentials);
  try {
    return await callUnary(client, { method: Cluster.method.stop, request: { reason } });
  } finally {
    client.close();
  }
}
