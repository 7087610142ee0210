/**
 * The gRPC server of a process: the cluster's own service, the standard health service and the standard
 * reflection service, so that grpcurl and probes work.
 */
import { timingSafeEqual } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { type FramesMessage, readFrames, writeFrames } from "./frames.ts";
import {
  Cluster,
  type JoinReplySchema,
  type JoinRequest,
  type RowsPartSchema,
  type RowsRequest,
  RowsPartSchema as rowsPart,
  type SnapshotReplySchema,
  type SnapshotRequest,
  type StatusReplySchema,
  type StopReplySchema,
  type StopRequest,
} from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { addHealth, type HealthState } from "./health.ts";
import { addReflection } from "./reflection.ts";
import { Refusal, statusOf } from "./refusal.ts";
import { channelOptions, definitionOf } from "./rpc.ts";

/** What a process answers; throwing a `Refusal` says no in words. */
export interface ClusterHandlers {
  join(request: JoinRequest, peer: string): Promise<MessageInitShape<typeof JoinReplySchema>>;
  rows(request: RowsRequest): Iterable<MessageInitShape<typeof RowsPartSchema>>;
  status(): MessageInitShape<typeof StatusReplySchema>;
  snapshot(request: SnapshotRequest): Promise<MessageInitShape<typeof SnapshotReplySchema>>;
  stop(request: StopRequest): Promise<MessageInitShape<typeof StopReplySchema>>;
  exchange(call: ServerDuplexStream<FramesMessage, FramesMessage>): void;
}

/** Where to listen, and what callers must know. */
export interface ServerOptions {
  /** HOST:PORT; port 0 is a free one. */
  readonly listen: string;
  /** Lowest and highest port to try in place of the one above. */
  readonly portRange?: { readonly low: number; readonly high: number } | null;
  /** Callers show it with every call of the cluster's service. */
  readonly token: string;
  readonly handlers: ClusterHandlers;
}

/** Owns the listening socket, until it is disposed. */
export class ClusterServer {
  readonly #server: Server;
  readonly #health: HealthState;
  readonly port: number;

  private constructor(server: Server, health: HealthState, port: number) {
    this.#server = server;
    this.#health = health;
    this.port = port;
  }

  /** @throws Error that names the address when it can't be had. */
  static async listen(options: ServerOptions): Promise<ClusterServer> {
    const server = new Server(channelOptions);
    addCluster(server, options);
    const health = addHealth(server, [Cluster.typeName]);
    addReflection(server);
    return new ClusterServer(server, health, await bind(server, options));
  }

  /** What the health service answers from here on. */
  set serving(serving: boolean) {
    this.#health.set(serving);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#health.set(false);
    this.#server.forceShutdown();
  }
}

async function bind(server: Server, { listen, portRange }: ServerOptions): Promise<number> {
  const host = listen.slice(0, listen.lastIndexOf(":"));
  const asked = Number(listen.slice(listen.lastIndexOf(":") + 1));
  const { low, high } = portRange ?? { low: asked, high: asked };
  for (let port = low; ; port++) {
    try {
      return await bindTo(server, `${host}:${port}`);
    } catch (error) {
      if (port >= high) {
        const tried = low === high ? `${host}:${low}` : `${host}:${low} to ${host}:${high}`;
        throw new Error(
          `Cannot listen at ${tried}: ${error instanceof Error ? error.message : error}: give another --listen, or a --port-range with a free port`,
        );
      }
    }
  }
}

function bindTo(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
}

function addCluster(server: Server, { handlers, token }: ServerOptions): void {
  const definition = definitionOf(Cluster) as Record<string, never>;
  const hot = { requestDeserialize: readFrames, responseSerialize: writeFrames };
  server.addService(
    { ...definition, exchange: Object.assign({}, definition.exchange, hot) } as never,
    {
      join: unary(token, (request: JoinRequest, peer) => handlers.join(request, peer)),
      status: unary(token, async () => handlers.status()),
      snapshot: unary(token, (request: SnapshotRequest) => handlers.snapshot(request)),
      stop: unary(token, (request: StopRequest) => handlers.stop(request)),
      rows: (call: ServerWritableStream<RowsRequest, unknown>) => {
        streamRows(call, token, handlers).catch((error) => call.emit("error", statusOf(error)));
      },
      exchange: (call: ServerDuplexStream<FramesMessage, FramesMessage>) => {
        try {
          checkToken(call.metadata, token);
          handlers.exchange(call);
        } catch (error) {
          call.emit("error", statusOf(error));
        }
      },
    } as Record<string, UntypedHandleCall>,
  );
}

type UnaryAnswer<Request> = (request: Request, peer: string) => Promise<object>;

function unary<Request>(token: string, answer: UnaryAnswer<Request>) {
  return (call: ServerUnaryCall<Request, unknown>, reply: sendUnaryData<unknown>): void => {
    const method = call.getPath().split("/").at(-1)!;
    const schema = Object.values(Cluster.method).find(({ name }) => name === method)!.output;
    Promise.resolve()
      .then(() => {
        checkToken(call.metadata, token);
        return answer(call.request, call.getPeer());
      })
      .then(
        (value) => reply(null, create(schema, value as never)),
        (error) => reply(statusOf(error)),
      );
  };
}

async function streamRows(
  call: ServerWritableStream<RowsRequest, unknown>,
  token: string,
  handlers: ClusterHandlers,
): Promise<void> {
  checkToken(call.metadata, token);
  for (const part of handlers.rows(call.request)) {
    if (call.cancelled) return;
    if (call.write(create(rowsPart, part))) continue;
    await new Promise<void>((resume) => {
      call.once("drain", resume);
      call.once("cancelled", resume);
    });
  }
  call.end();
}

function checkToken(metadata: Metadata, token: string): void {
  const given = Buffer.from(String(metadata.get("glissade-token")[0] ?? ""));
  const wanted = Buffer.from(token);
  if (given.length === wanted.length && timingSafeEqual(given, wanted)) return;
  throw new Refusal(
    given.length === 0
      ? "this run wants a token: give the one the coordinator printed, by --token or GLISSADE_TOKEN"
      : "the token is not that of this run: give the one the coordinator printed, by --token or GLISSADE_TOKEN",
    "denied",
  );
}
