/** gRPC services from generated descriptions, and calls that say what went wrong. */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type ChannelOptions,
  Client,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { callWords } from "./call-words.ts";
import { channelCredentials } from "./certificates.ts";
import { ClusterError } from "./cluster-error.ts";
import { type Credentials, tokenToShow } from "./credentials.ts";
import { tokenHeader } from "./gate.ts";
import {
  callSecondsMax,
  flowControlBytes,
  keepaliveMs,
  keepaliveTimeoutMs,
  messageBytesMax,
  reconnectMsMax,
  reconnectMsMin,
} from "./limits.ts";
import { refuseOpen } from "./open-address.ts";
import { limitDefaults } from "./protection.ts";
import { roleNeeded } from "./roles.ts";
import { waitFor } from "./wait.ts";

/** Options of every channel and server. No HTTP proxy is asked for: members reach each other directly. */
export const channelOptions: ChannelOptions = {
  "grpc.enable_http_proxy": 0,
  "grpc.keepalive_time_ms": keepaliveMs,
  "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.max_send_message_length": messageBytesMax,
  "grpc-node.flow_control_window": flowControlBytes,
  "grpc.initial_reconnect_backoff_ms": reconnectMsMin,
  "grpc.max_reconnect_backoff_ms": reconnectMsMax,
  "grpc.use_local_subchannel_pool": 1,
};

/** How grpc-js wants a method described. */
export function methodOf(method: DescMethod): MethodDefinition<unknown, unknown> {
  const { input, output, methodKind, parent } = method;
  return {
    path: pathOf(parent, method),
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestSerialize: serializer(input),
    requestDeserialize: deserializer(input),
    responseSerialize: serializer(output),
    responseDeserialize: deserializer(output),
  };
}

/** All methods of a service, by their names in code. */
export function definitionOf(service: DescService): Record<string, MethodDefinition<never, never>> {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      methodOf(method) as unknown as MethodDefinition<never, never>,
    ]),
  );
}

function pathOf({ typeName }: DescService, { name }: Pick<DescMethod, "name">): string {
  return `/${typeName}/${name}`;
}

function serializer(schema: DescMessage) {
  return (message: unknown): Buffer => {
    const bytes = toBinary(schema, message as MessageShape<DescMessage>);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserializer(schema: DescMessage) {
  return (bytes: Uint8Array): unknown => fromBinary(schema, bytes);
}

/** A client that shows with each call the token that the call needs. */
export class MemberClient extends Client {
  readonly #credentials: Credentials;

  constructor(address: string, credentials: Credentials) {
    const channel = channelCredentials(credentials.certificates, address);
    const most = credentials.messageMax ?? limitDefaults.message;
    const received = { "grpc.max_receive_message_length": most };
    super(address, channel.credentials, { ...channelOptions, ...received, ...channel.options });
    this.#credentials = credentials;
  }

  /** Headers of a call: the token, and what else the caller says of itself. */
  metadataOf(
    { parent, name }: DescMethod,
    entries: Readonly<Record<string, string | number>> = {},
  ): Metadata {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(entries)) metadata.set(key, String(value));
    const needed = roleNeeded(pathOf(parent, { name }));
    const token = needed === "open" ? undefined : tokenToShow(this.#credentials.tokens, needed);
    if (token !== undefined) metadata.set(tokenHeader, token);
    return metadata;
  }
}

/**
 * A client of the process at HOST:PORT; nothing is dialled before the first call. Answers are no larger than
 * messages to a server may be.
 * @throws ClusterError when calling there would show a token, or rows, to others.
 */
export function createClient(address: string, credentials: Credentials): MemberClient {
  const refused = refuseOpen(address, credentials, "call");
  if (refused !== null) throw new ClusterError(refused);
  return new MemberClient(address, credentials);
}

/** One call and its answer. */
export interface Call<Input extends DescMessage, Output extends DescMessage> {
  readonly method: DescMethod & { readonly input: Input; readonly output: Output };
  readonly request: MessageInitShape<Input>;
  readonly secondsMax?: number;
  /** Aborting it ends the call, which then rejects. */
  readonly signal?: AbortSignal;
}

/** Calls a unary method; rejects with a `CallError` that says who did not answer and why. */
export function callUnary<Input extends DescMessage, Output extends DescMessage>(
  client: MemberClient,
  { method, request, secondsMax = callSecondsMax, signal }: Call<Input, Output>,
): Promise<MessageShape<Output>> {
  const { path, requestSerialize, responseDeserialize } = methodOf(method);
  const deadline = Date.now() + 1000 * secondsMax;
  const target = client.getChannel().getTarget().replace(/^dns:/, "");
  const whom = `${target} to answer ${method.name}`;
  // gRPC gives the call up itself; the second is for its words to arrive.
  const bound = { whom, secondsMax: secondsMax + 1 };
  return waitFor(
    bound,
    new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        create(method.input, request),
        client.metadataOf(method),
        { deadline },
        (error, reply) => {
          signal?.removeEventListener("abort", cancel);
          if (error) reject(new CallError(method.name, client.getChannel().getTarget(), error));
          else resolve(reply as MessageShape<Output>);
        },
      );
      const cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel);
    }),
  );
}

/** Why a call failed; `refused` when the other side answered and said no. */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly code: "refused" | "unreachable" | "failed";
  /** The other side's own words. */
  readonly words: string;

  constructor(method: string, target: string, error: ServiceError) {
    const where = target.replace(/^dns:/, "");
    const words = callWords(error.details || error.message);
    super(`${method} at ${where}: ${words}`, { cause: error });
    this.words = words;
    this.code = codeOf(error.code);
  }
}

function codeOf(code: status): CallError["code"] {
  const refusals: readonly status[] = [
    status.FAILED_PRECONDITION,
    status.PERMISSION_DENIED,
    status.UNAUTHENTICATED,
    status.UNIMPLEMENTED,
    status.INVALID_ARGUMENT,
  ];
  if (refusals.includes(code)) return "refused";
  const silences: readonly status[] = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED];
  return silences.includes(code) ? "unreachable" : "failed";
}
