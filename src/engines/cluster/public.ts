/** Questions to a running cluster, for commands: everything is loaded on first use. */
import {
  Cluster,
  type MemberStatus,
  type StatusReply,
  type StopReply,
  type Wait,
} from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { callUnary, createClient, metadataOf } from "./rpc.ts";

export type { MemberStatus, StatusReply, StopReply, Wait };

/** A process of a run, and the run's token. */
export interface Target {
  readonly address: string;
  readonly token: string;
}

/** How the run goes, as that process sees it. */
export async function askStatus({ address, token }: Target): Promise<StatusReply> {
  const client = createClient(address);
  try {
    const metadata = metadataOf({ "glissade-token": token });
    return await callUnary(client, { method: Cluster.method.status, request: {}, metadata });
  } finally {
    client.close();
  }
}

/** Ends the run in good order, or has a member leave it. */
export async function askStop({ address, token }: Target, reason: string): Promise<StopReply> {
  const client = createClient(address);
  try {
    const metadata = metadataOf({ "glissade-token": token });
    return await callUnary(client, { method: Cluster.method.stop, request: { reason }, metadata });
  } finally {
    client.close();
  }
}
