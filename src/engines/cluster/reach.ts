/** Answers whether this process reaches a caller, as it would have to if the caller joined. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Credentials } from "./credentials.ts";
import type { ReachReplySchema, ReachRequest } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { dialBack, reachable } from "./member-calls.ts";

/** Dials the caller back; that it fails is an answer, not an error. */
export async function answerReach(
  { advertise }: ReachRequest,
  peer: string,
  credentials: Credentials,
): Promise<MessageInitShape<typeof ReachReplySchema>> {
  const dialled = reachable(advertise, peer);
  const refusal = await dialBack(dialled, credentials).then(
    () => "",
    (error: Error) => error.message,
  );
  return { seen: peer, dialled, refusal, clock: Date.now() / 1000 };
}
