/**
 * The gRPC server of a process: the cluster's own service, the standard health service and the standard
 * reflection service, so that grpcurl and probes work.
 */
import { once } from "node:events";
import { createServer } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { serverCredentials } from "./certificates.ts";
import { ClusterError } from "./cluster-error.ts";
import { Entrance } from "./entrance.ts";
import { type FramesMessage, readFrames, writeFrames } from "./frames.ts";
import {
  Cluster,
  type JoinReplySchema,
  type JoinRequest,
  type ReachRequest,
  type RowsPartSchema,
  type RowsRequest,
  RowsPartSchema as rowsPart,
  type SnapshotReplySchema,
  type SnapshotRequest,
  type StatusReplySchema,
  type StopReplySchema,
  type StopRequest,
} from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { admission, type Guard, streamsMargin } from "./guard.ts";
import { addHealth, type HealthState } from "./health.ts";
import { joinSecondsMax } from "./limits.ts";
import { refuseOpen } from "./open-address.ts";
import { answerReach } from "./reach.ts";
import { addReflection } from "./reflection.ts";
import { statusOf } from "./refusal.ts";
import { channelOptions, definitionOf } from "./rpc.ts";
import { waitFor } from "./wait.ts";

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
  /** Who may call, and how much. */
  readonly guard: Guard;
  readonly handlers: ClusterHandlers;
}

/** Owns the listening socket, until it is disposed. */
export class ClusterServer {
  readonly #server: Server;
  readonly #entrance: Entrance;
  readonly #health: HealthState;
  readonly port: number;

  private constructor(
    { server, entrance }: { server: Server; entrance: Entrance },
    health: HealthState,
    port: number,
  ) {
    this.#server = server;
    this.#entrance = entrance;
    this.#health = health;
    this.port = port;
  }

  /** @throws ClusterError when it must not listen there, Error that names the address when it can't be had. */
  static async listen(options: ServerOptions): Promise<ClusterServer> {
    const { guard, listen } = options;
    const refused = refuseOpen(listen, guard.credentials, "listen at");
    if (refused !== null) throw new ClusterError(refused);
    const { streams, message } = guard.watch.limits;
    let entrance: Entrance | null = null;
    const server = new Server({
      ...channelOptions,
      "grpc.max_concurrent_streams": streams + streamsMargin,
      "grpc.max_receive_message_length": message,
      interceptors: [admission(guard, () => entrance)],
    });
    addCluster(server, options);
    const health = addHealth(server, [Cluster.typeName]);
    addReflection(server);
    const injector = server.createConnectionInjector(
      serverCredentials(guard.credentials.certificates),
    );
    entrance = new Entrance((socket) => injector.injectConnection(socket), guard.watch, {
      open: !guard.gate.asks,
    });
    const port = await bind((host, at) => entrance!.listen(host, at), options);
    return new ClusterServer({ server, entrance }, health, port);
  }

  /** What the health service answers from here on. */
  set serving(serving: boolean) {
    this.#health.set(serving);
  }

  /** Connections now, and those of them that have shown no token. */
  get load(): { readonly connections: number; readonly strangers: number } {
    const { connections, strangers } = this.#entrance;
    return { connections, strangers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#health.set(false);
    this.#entrance[Symbol.dispose]();
    this.#server.forceShutdown();
  }
}

/**
 * Finds out whether one may listen there now.
 * @throws ClusterError that says where it was tried, and what to give.
 */
export async function tryListening(
  place: Pick<ServerOptions, "listen" | "portRange">,
): Promise<void> {
  await bind(async (host, port) => {
    const server = createServer();
    server.listen(port, host);
    await once(server, "listening");
    server.close();
    return port;
  }, place);
}

async function bind(
  listenAt: (host: string, port: number) => Promise<number>,
  { listen, portRange }: Pick<ServerOptions, "listen" | "portRange">,
): Promise<number> {
  const host = listen.slice(0, listen.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  const asked = Number(listen.slice(listen.lastIndexOf(":") + 1));
  const { low, high } = portRange ?? { low: asked, high: asked };
  for (let port = low; ; port++) {
    try {
      return await listenAt(host, port);
    } catch (error) {
      if (port >= high) {
        const tried = low === high ? `${host}:${low}` : `${host}:${low} to ${host}:${high}`;
        throw new ClusterError(
          `Cannot listen at ${tried}: ${error instanceof Error ? error.message : error}: give another --listen, or a --port-range with a free port`,
        );
      }
    }
  }
}

function addCluster(server: Server, { handlers, guard }: ServerOptions): void {
  const definition = definitionOf(Cluster) as Record<string, never>;
  const hot = { requestDeserialize: readFrames, responseSerialize: writeFrames };
  server.addService(
    { ...definition, exchange: Object.assign({}, definition.exchange, hot) } as never,
    {
      join: unary((request: JoinRequest, peer) => handlers.join(request, peer)),
      status: unary(async () => handlers.status()),
      snapshot: unary((request: SnapshotRequest) => handlers.snapshot(request)),
      stop: unary((request: StopRequest) => handlers.stop(request)),
      reach: unary((request: ReachRequest, peer) => answerReach(request, peer, guard.credentials)),
      rows: (call: ServerWritableStream<RowsRequest, unknown>) => {
        streamRows(call, handlers).catch((error) => call.emit("error", statusOf(error)));
      },
      exchange: (call: ServerDuplexStream<FramesMessage, FramesMessage>) => {
        try {
          handlers.exchange(call);
        } catch (error) {
          call.emit("error", statusOf(error));
        }
      },
    } as Record<string, UntypedHandleCall>,
  );
}

type UnaryAnswer<Request> = (request: Request, peer: string) => Promise<object>;

function unary<Request>(answer: UnaryAnswer<Request>) {
  return (call: ServerUnaryCall<Request, unknown>, reply: sendUnaryData<unknown>): void => {
    const method = call.getPath().split("/").at(-1)!;
    const schema = Object.values(Cluster.method).find(({ name }) => name === method)!.output;
    Promise.resolve()
      .then(() => answer(call.request, call.getPeer()))
      .then(
        (value) => reply(null, create(schema, value as never)),
        (error) => reply(statusOf(error)),
      );
  };
}

async function streamRows(
  call: ServerWritableStream<RowsRequest, unknown>,
  handlers: ClusterHandlers,
): Promise<void> {
  for (const part of handlers.rows(call.request)) {
    if (call.cancelled) return;
    if (call.write(create(rowsPart, part))) continue;
    const bound = { whom: `${call.getPeer()} to take its rows`, secondsMax: joinSecondsMax };
    await waitFor(
      bound,
      new Promise<void>((resume) => {
        call.once("drain", resume);
        call.once("cancelled", resume);
      }),
    );
  }
  call.end();
}
