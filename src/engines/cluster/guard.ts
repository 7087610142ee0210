/** What stands between a process of a run and everybody who calls it: gate, limits, and one admission for all calls. */
import {
  type Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  ServerListenerBuilder,
  status,
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
  const open: OpenCalls = new Map();
  return (method, call) => {
    tellOversized(guard, call);
    return new ServerInterceptingCall(
      call,
      new ResponderBuilder()
        .withStart((next) => {
          const peer = call.getPeer();
          open.set(peer, (open.get(peer) ?? 0) + 1);
          const listener = new ServerListenerBuilder()
            .withOnReceiveMetadata((metadata, pass) => {
              try {
                countStreams(guard, peer, open);
                admit(guard, { path: method.path, metadata, peer });
              } catch (error) {
                return call.sendStatus(statusOf(error));
              }
              if (roleNeeded(method.path) !== "open") entrance()?.introduce(peer);
              pass(metadata);
            })
            .withOnCancel(() => endCall(open, peer));
          next(listener.build());
        })
        .build(),
    );
  };
}

/** Calls at present, by the connection they came over. */
type OpenCalls = Map<string, number>;

/** HTTP/2 itself lets a connection have that many calls more, so that who goes beyond the limit is seen. */
export const streamsMargin = 16;

function countStreams({ watch }: Guard, peer: string, open: OpenCalls): void {
  const { streams } = watch.limits;
  if (open.get(peer)! <= streams) return;
  watch.reached("streams", peer);
  throw new Refusal(`more than ${streams} calls at a time over one connection`, "exhausted");
}

/** gRPC tells every call's end this way, in good order or not. */
function endCall(open: OpenCalls, peer: string): void {
  const count = open.get(peer)! - 1;
  if (count > 0) open.set(peer, count);
  else open.delete(peer);
}

/** gRPC ends a call itself when a message is too large, before any interceptor sees it: by this method of the call. */
function tellOversized({ watch }: Guard, call: ServerInterceptingCallInterface): void {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (result) => {
    if (isOversized(result)) watch.reached("message", call.getPeer());
    send(result);
  };
}

/** Whether a call ended since a message was larger than the limit. */
export function isOversized({ code, details }: { code?: number; details?: string }): boolean {
  return code === status.RESOURCE_EXHAUSTED && /^Received message /.test(details ?? "");
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
