/** Every limit is reached once: what was too much is refused, and told as an event or in words. */
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import { Cluster } from "../../src/engines/cluster/generated/glissade/cluster/v1/cluster_pb.ts";
import { countJoin, createGuard, type Guard } from "../../src/engines/cluster/guard.ts";
import { readPlausible } from "../../src/engines/cluster/hearing.ts";
import { Link } from "../../src/engines/cluster/link.ts";
import {
  type LimitName,
  type Limits,
  limitDefaults,
  limitTable,
} from "../../src/engines/cluster/protection.ts";
import { callUnary, createClient, type MemberClient } from "../../src/engines/cluster/rpc.ts";
import { ClusterServer } from "../../src/engines/cluster/server.ts";
import { createReplica } from "../../src/math/replica.ts";
import { strategyOptions } from "../../src/strategies/strategy.ts";
import { encodeFrame } from "../../src/wire/frame.ts";

interface Place {
  readonly guard: Guard;
  readonly port: number;
  readonly client: MemberClient;
}

/** A server with these limits. */
async function listen(limits: Partial<Limits>, say: (event: ClusterEvent) => void): Promise<Place> {
  const credentials = { ...noCredentials, tokens: { admin: "word" } };
  const guard = createGuard(credentials, { ...limitDefaults, ...limits }, say);
  const none = () => {
    throw new Error("not asked for");
  };
  const server = await ClusterServer.listen({
    ...{ listen: "127.0.0.1:0", guard },
    handlers: {
      ...{ join: none, rows: none, snapshot: none, exchange: () => {} },
      status: () => ({ state: "x".repeat(5000) }),
      stop: async () => ({ state: "stopped" }),
    },
  });
  const client = createClient(`127.0.0.1:${server.port}`, credentials);
  onTestFinished(async () => {
    client.close();
    await server[Symbol.asyncDispose]();
  });
  return { guard, port: server.port, client };
}

function dial(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => {});
  socket.resume();
  onTestFinished(() => void socket.destroy());
  return new Promise((resolve) => socket.once("connect", () => resolve(socket)));
}

const closed = (socket: Socket) =>
  new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });

function stop(client: MemberClient, reason: string) {
  return callUnary(client, { method: Cluster.method.stop, request: { reason } });
}

/** How each limit that a server keeps is reached. */
const reached: Partial<Record<LimitName, [Partial<Limits>, (place: Place) => Promise<unknown>]>> = {
  message: [
    { message: 1000 },
    ({ client }) => expect(stop(client, "x".repeat(2000))).rejects.toThrow(/larger than max/),
  ],
  headers: [
    { headers: 100 },
    async ({ client }) => {
      const { metadataOf } = client;
      client.metadataOf = (method) => metadataOf.call(client, method, { extra: "x".repeat(200) });
      await expect(stop(client, "")).rejects.toThrow(/larger than 100 bytes/);
    },
  ],
  joins: [
    { joins: 1 },
    async ({ guard }) => {
      countJoin(guard, "10.0.0.9");
      expect(() => countJoin(guard, "10.0.0.9")).toThrow(/try again in a minute/);
    },
  ],
  connections: [
    { connections: 1 },
    async ({ port }) => {
      await dial(port);
      await closed(await dial(port));
    },
  ],
  strangers: [
    { strangers: 1 },
    async ({ port }) => {
      const oldest = await dial(port);
      await dial(port);
      await closed(oldest);
    },
  ],
  introduction: [{ introduction: 0.1 }, async ({ port }) => closed(await dial(port))],
  streams: [
    { streams: 1 },
    async ({ port }) => {
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      onTestFinished(() => session.destroy());
      const open = () =>
        session.request({
          ...{ ":method": "POST", "content-type": "application/grpc", te: "trailers" },
          ...{ ":path": "/glissade.cluster.v1.Cluster/Stop", "glissade-token": "word" },
        });
      open().on("error", () => {});
      const second = open();
      second.on("error", () => {});
      const code = await new Promise((resolve) =>
        second.on("response", (headers) => resolve(headers["grpc-status"])),
      );
      expect(code).toBe("8");
    },
  ],
};

test.each(Object.entries(reached))("%s: reaching it is an event", async (name, [limits, reach]) => {
  const events: ClusterEvent[] = [];
  const place = await listen(limits, (event) => events.push(event));
  await reach(place);
  const most = limits[name as LimitName];
  await expect
    .poll(() => events, { timeout: 60_000 })
    .toContainEqual(expect.objectContaining({ kind: "limit", limit: name, most, count: 1 }));
});

test("message: a client takes no larger answers than servers take calls", async () => {
  const { port } = await listen({}, () => {});
  const credentials = { ...noCredentials, tokens: { admin: "word" }, messageMax: 1000 };
  const client = createClient(`127.0.0.1:${port}`, credentials);
  onTestFinished(() => client.close());
  const status = { method: Cluster.method.status, request: {} };
  await expect(callUnary(client, status)).rejects.toThrow(/larger than max/);
});

test("buffered: a link that holds more is given up", () => {
  const overruns: string[] = [];
  const quiet = { frame() {}, room() {}, broken() {}, violated() {} };
  const link = new Link({ ...quiet, overrun: (reason) => overruns.push(reason) }, 1000);
  for (let k = 0; k < 3; k++) link.send(new Uint8Array(400));
  expect(overruns).toEqual([expect.stringMatching(/at most 1000 bytes may/)]);
});

test.each([
  ["members", { members: 1 }, /Cannot run 2 members as limit members is 1/],
  ["model", { model: 10 }, /Cannot train a model of 32 bytes as limit model is 10 bytes/],
  ["message", { message: 10 }, /32 bytes as limit message is 10 bytes/],
] as const)("%s: a run that is larger does not start, in words", async (_, limits, words) => {
  const run = runCluster({
    ...{ strategy: { name: "allreduce" }, workers: 2, seed: 1, epochs: 1 },
    ...{ options: strategyOptions(), task: { kind: "quadratic", spec: { width: 8 } } },
    cluster: {
      ...{ listen: "127.0.0.1:0", credentials: noCredentials, launch: null },
      limits: { ...limitDefaults, ...limits },
    },
  } as never);
  await expect(run).rejects.toThrow(words);
});

test("norm: an update beyond it is rejected, with its sender", () => {
  const replica = createReplica(2);
  const seats = [{ role: "worker", range: { from: 0, to: 2 } }];
  const seat = { seats, rank: 0, workers: 1, options: strategyOptions(), initial: null };
  const watch = { limits: { ...limitDefaults, norm: 1 } } as never;
  const about = { from: 0, incarnation: 1, watch, job: { epochs: 1 }, updates: 1 };
  const frame = encodeFrame({ kind: "push", v: Float32Array.of(2, 0) });
  const read = readPlausible(frame, { replica, seat, strategy: {}, width: 2 } as never, about);
  expect(read).toEqual({ fault: "push: v has norm 2.00, more than 1.00" });
});

test("no limit is left out here; growth is that of files (test/strangers.test.ts)", () => {
  const here = [...Object.keys(reached), "buffered", "members", "model", "norm", "growth"];
  expect(Object.keys(limitTable).sort()).toEqual(here.sort());
});
