/** What stands between a process of a run and everybody who calls it: gate, limits, and one admission for all calls. */
import {
  type Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from "@grpc/grpc-js";
import type { Credentials } from "./credentials.ts";
import type { Entrance } from "./entrance.ts";
import type { ClusterEvent } from "./events.ts";
import { digestsOf, Gate } from "./gate.ts";
import { describeRefusal, type Limits, LimitWatch, limitDefaults } from "./protection.ts";
import { Refusal, statusOf } from "./refusal.ts";
import { roleNeeded } from "./roles.ts";
import type { MemberOptions } from "./seat.ts";

/** Protects one process. */
export interface Guard {
  readonly credentials: Credentials;
  readonly gate: Gate;
  readonly watch: LimitWatch;
  readonly say: (event: ClusterEvent) => void;
}

/** A guard that asks for these credentials and keeps these limits. */
export function createGuard(
  credentials: Credentials,
  limits: Limits,
  say: (event: ClusterEvent) => void,
): Guard {
  const gate = new Gate(digestsOf(credentials.tokens));
  return { credentials, gate, say, watch: new LimitWatch(limits, say) };
}

/** A member's guard: what it refuses stands in its log. */
export function createMemberGuard({ credentials, limits, log }: MemberOptions): Guard {
  return createGuard(credentials, limits ?? limitDefaults, (event) => log(describeRefusal(event)));
}

/** @throws Refusal when too many processes ask for a seat. */
export function countJoin({ watch }: Guard, peer: string): void {
  if (watch.takeJoin(performance.now())) return;
  watch.reached("joins", peer);
  throw new Refusal("too many processes ask to join: try again in a minute", "exhausted");
}

/**
 * Looks at the headers of every call, of every service, before its message is taken: a call that is not allowed
 * ends here, whatever it carries.
 */
export function admission(guard: Guard, entrance: () => Entrance | null): ServerInterceptor {
  return (method, call) =>
    new ServerInterceptingCall(
      call,
      new ResponderBuilder()
        .withStart((next) => {
          const listener = new ServerListenerBuilder().withOnReceiveMetadata((metadata, pass) => {
            const peer = call.getPeer();
            try {
              admit(guard, { path: method.path, metadata, peer });
            } catch (error) {
              return call.sendStatus(statusOf(error));
            }
            if (roleNeeded(method.path) !== "open") entrance()?.introduce(peer);
            pass(metadata);
          });
          next(listener.build());
        })
        .build(),
    );
}

function admit(
  { gate, watch, say }: Guard,
  { path, metadata, peer }: { path: string; metadata: Metadata; peer: string },
): void {
  const { headers } = watch.limits;
  if (bytesOf(metadata) > headers) {
    watch.reached("headers", peer);
    throw new Refusal(`the headers of the call are larger than ${headers} bytes`, "exhausted");
  }
  try {
    gate.check(path, metadata);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (isTimeToTell(gate.denied)) say({ kind: "denied", who: peer, reason, count: gate.denied });
    throw error;
  }
}

/** The first few of a flood are told one by one, then every doubling: the log stays short. */
function isTimeToTell(count: number): boolean {
  return count <= 8 || (count & (count - 1)) === 0;
}

function bytesOf(metadata: Metadata): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata.getMap())) {
    bytes += name.length + value.length;
  }
  return bytes;
}
