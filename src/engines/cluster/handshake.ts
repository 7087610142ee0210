/** What two processes must have in common before they work together, and the words when they have not. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { version } from "../../version.ts";
import type { Handshake, HandshakeSchema } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { protocolVersion } from "./limits.ts";

/** A run as a handshake names it; what a process does not know yet is empty. */
export interface RunIdentity {
  readonly run: string;
  readonly settings: string;
  readonly data: string;
  readonly split: string;
}

/** Nothing is known of the run yet. */
export const unknownRun: RunIdentity = { run: "", settings: "", data: "", split: "" };

/** This process's side of the handshake. */
export function ownHandshake(identity: RunIdentity): MessageInitShape<typeof HandshakeSchema> {
  return { protocol: protocolVersion, version, ...identity };
}

/**
 * Why two processes can't work together, as a sentence; null when they can. What only one of them knows is
 * taken from it.
 */
export function refuseHandshake(
  theirs: Handshake | undefined,
  own: RunIdentity,
  who: string,
): string | null {
  if (!theirs) return `${who} sent no handshake: is it glissade?`;
  if (theirs.protocol !== protocolVersion) {
    return `${who} speaks version ${theirs.protocol} of the protocol, here it is ${protocolVersion}: install the same glissade everywhere`;
  }
  if (theirs.version !== version) {
    return `${who} runs glissade ${theirs.version}, here it is ${version}: install the same version everywhere`;
  }
  const facts: readonly { name: string; hint: string; theirs: string; own: string }[] = [
    { name: "run", hint: "join the run that is meant", theirs: theirs.run, own: own.run },
    {
      name: "fingerprint of the data",
      hint: "give all members the same files",
      theirs: theirs.data,
      own: own.data,
    },
    {
      name: "split",
      hint: "give all members the same --validation and --split-seed",
      theirs: theirs.split,
      own: own.split,
    },
    {
      name: "settings",
      hint: "start members without settings of their own: they come with the seat",
      theirs: theirs.settings,
      own: own.settings,
    },
  ];
  for (const fact of facts) {
    if (fact.theirs === "" || fact.own === "" || fact.theirs === fact.own) continue;
    return `${fact.name} differs: ${who} has ${fact.theirs}, here it is ${fact.own}: ${fact.hint}`;
  }
  return null;
}
