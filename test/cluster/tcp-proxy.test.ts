import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Fate, startTcpProxy, type TcpProxy } from "../../scripts/support/tcp-proxy.mjs";

let proxy: TcpProxy;
let target: string;
/** What arrived at the target, and the target's end of each connection. */
let received: string;
let targets: Socket[];
const open: (() => unknown)[] = [];

beforeEach(async () => {
  received = "";
  targets = [];
  // What a client ended is answered still: half open on both sides of the proxy.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    targets.push(socket);
    socket.on("error", () => {});
    socket.setEncoding("utf8").on("data", (text) => {
      received += text;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  target = `127.0.0.1:${port}`;
  proxy = await startTcpProxy({ target });
  open.push(() => server.close());
});

afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  for (const socket of targets) socket.destroy();
  for (const end of open.splice(0)) end();
});

/** Where the proxy listens. */
function placeOfProxy() {
  return { host: "127.0.0.1", port: Number(proxy.address.split(":")[1]) };
}

async function dial(localAddress = "127.0.0.1"): Promise<Socket> {
  const socket = connect({ ...placeOfProxy(), localAddress });
  socket.on("error", () => {});
  open.push(() => socket.destroy());
  await once(socket, "connect");
  await until(() => targets.length > 0);
  return socket;
}

/** An error before it is none of the test's. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await delay(5);
}

test("bytes and the end of a side pass unchanged, in both directions", async () => {
  const socket = await dial();
  const text = "0123456789".repeat(50_000);
  const answer = once(socket.setEncoding("utf8"), "data");
  socket.end(text);
  await until(() => received.length === text.length);
  expect(received).toBe(text);
  targets[0]!.write("answer");
  expect((await answer)[0]).toBe("answer");
  expect(proxy.bytes).toEqual({ toTarget: text.length, toClient: 6 });
  expect(proxy.accepted).toBe(1);
});

test("a delay holds one direction up, not the other", async () => {
  // Longer than a busy machine needs for the other direction.
  const delayMs = 3000;
  proxy.shape({ toTarget: { delayMs } });
  const socket = await dial();
  const began = performance.now();
  socket.write("late");
  const answer = once(socket.setEncoding("utf8"), "data");
  targets[0]!.write("soon");
  expect((await answer)[0]).toBe("soon");
  expect(received).toBe("");
  await until(() => received === "late");
  expect(performance.now() - began).toBeGreaterThan(delayMs - 5);
});

test("a rate limit spreads bytes over time", async () => {
  proxy.shape({ toTarget: { bytesPerSecond: 1e6 } });
  const socket = await dial();
  const began = performance.now();
  socket.write("x".repeat(300_000));
  await until(() => received.length === 300_000);
  // The last piece, of at most 64 KiB, is not waited for.
  expect(performance.now() - began).toBeGreaterThan(220);
});

test("what is held arrives after healing, all of it and in order", async () => {
  proxy.shape({ toTarget: { hold: true } });
  const socket = await dial();
  const text = Array.from({ length: 100_000 }, (_, k) => `${k},`).join("");
  socket.write(text);
  await delay(100);
  expect(received).toBe("");
  proxy.heal();
  await until(() => received.length === text.length);
  expect(received).toBe(text);
});

test("a forgotten side is closed, and the other hears nothing of it", async () => {
  const socket = await dial();
  const ended = closed(targets[0]!);
  let heard = false;
  socket.on("close", () => {
    heard = true;
  });
  proxy.forget("target");
  await ended;
  socket.write("into the void");
  await delay(150);
  expect(heard).toBe(false);
  expect(received).toBe("");
});

test("a cut ends connections on both sides; refused ones come to nothing until healed", async () => {
  const socket = await dial();
  proxy.cut();
  await Promise.all([closed(socket), closed(targets[0]!)]);
  expect(proxy.connections).toBe(0);
  proxy.refuse();
  const again = connect(placeOfProxy());
  again.on("error", () => {});
  await closed(again);
  expect(targets).toHaveLength(1);
  proxy.heal();
  targets.splice(0);
  const healed = await dial();
  healed.write("back");
  await until(() => received === "back");
});

test("each client has a fate of its own: it is held in silence, or refused, and others pass", async () => {
  const fates = new Map<string, Fate>();
  await proxy[Symbol.asyncDispose]();
  proxy = await startTcpProxy({
    target,
    fate: (client) => fates.get(client) ?? {},
  });
  const [held, free] = [await dial("127.0.0.2"), await dial("127.0.0.3")];
  fates.set("127.0.0.2", { hold: true });
  held.write("later");
  free.write("now,");
  await until(() => received === "now,");
  await delay(50);
  expect(received).toBe("now,");
  fates.clear();
  proxy.sift();
  await until(() => received === "now,later");
  fates.set("127.0.0.2", { refuse: true });
  const ended = closed(held);
  proxy.sift();
  await ended;
  const again = connect({ ...placeOfProxy(), localAddress: "127.0.0.2" });
  again.on("error", () => {});
  await closed(again);
  free.write("!");
  await until(() => received.endsWith("!"));
});
