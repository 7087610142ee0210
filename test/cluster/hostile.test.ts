/**
 * A coordinator as a process of its own, members that learn, and strangers who do what they can against it: the run
 * goes on, memory stays bounded, and nothing that is written holds the token.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type Credentials,
  noCredentials,
  tokensIn,
} from "../../src/engines/cluster/credentials.ts";
import { Cluster } from "../../src/engines/cluster/generated/glissade/cluster/v1/cluster_pb.ts";
import { callUnary, createClient } from "../../src/engines/cluster/rpc.ts";
import { cli } from "../e2e/support.ts";

const words = {
  observe: "observe-0123456789abcdef",
  work: "work-0123456789abcdef",
  admin: "admin-0123456789abcdef",
};
const tokenText = Object.entries(words)
  .map(([role, word]) => `${role}: ${word}`)
  .join(",");
/** What strangers may add to the memory of a coordinator, all of them together; docs/security.md says so. */
const addedMiBMax = 160;
const strangersMax = 128;

let folder = "";
let address = "";
let output = "";
let coordinator: ChildProcess;
const processes: ChildProcess[] = [];

function start(args: readonly string[], token: string): ChildProcess {
  const child = spawn(process.execPath, [cli, ...args], {
    ...{ cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
    env: { ...process.env, GLISSADE_TOKEN: token, VITEST: "" },
  });
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  processes.push(child);
  return child;
}

beforeAll(async () => {
  const { mkdtempSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  folder = mkdtempSync(join(tmpdir(), "glissade-hostile-"));
  coordinator = start(
    [
      ...["coordinator", "synthetic:news:rows=2000,columns=500,seed=3", "--verbose"],
      ...["--strategy", "asp", "--workers", "2", "--epochs", "1000000", "--l2", "1e-4"],
      ...["--listen", "127.0.0.1:0", "--evaluate-every", "100000epochs"],
    ],
    tokenText,
  );
  address = await until(() => /--join (127\.0\.0\.1:\d+)/.exec(output)?.[1]);
  for (let k = 0; k < 3; k++) start(["worker", "--join", address], `work: ${words.work}`);
  await until(async () => ((await status()).state === "running" ? true : undefined));
  await delay(1500);
});

afterAll(async () => {
  for (const child of processes) child.kill("SIGKILL");
  const { rmSync } = await import("node:fs");
  rmSync(folder, { recursive: true, force: true });
});

async function until<Value>(
  look: () => Value | undefined | Promise<Value | undefined>,
): Promise<Value> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (coordinator.exitCode !== null) throw new Error(`the coordinator ended: ${output}`);
    await delay(50);
  }
}

async function status() {
  const credentials: Credentials = { ...noCredentials, tokens: { observe: words.observe } };
  const client = createClient(address, credentials);
  try {
    return await callUnary(client, { method: Cluster.method.status, request: {}, secondsMax: 20 });
  } finally {
    client.close();
  }
}

/** MiB that the coordinator holds now. */
function memoryMiB(): number {
  const text = readFileSync(`/proc/${coordinator.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(text)![1]) / 1024;
}

function dial(): Promise<Socket> {
  const [host, port] = address.split(":");
  return new Promise((resolve) => {
    const socket = connect({ host: host!, port: Number(port) });
    socket.on("error", () => {});
    // Else the end of the other side is never seen.
    socket.resume();
    socket.once("connect", () => resolve(socket));
    socket.once("close", () => resolve(socket));
  });
}

/** The run goes on: members learn further, and a caller with a token gets an answer. */
async function expectGoesOn(): Promise<void> {
  const before = await status();
  await until(async () => {
    const now = await status();
    expect(now.state).toBe("running");
    expect(now.members).toHaveLength(3);
    const [a, b] = [before, now].map(({ members }) => members.map(({ updates }) => updates));
    return a!.every((updates, k) => k === 2 || b![k]! > updates) ? true : undefined;
  });
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

test("1,000 connections that say nothing cost little memory, and are closed within seconds", async () => {
  const before = memoryMiB();
  const sockets = await Promise.all(Array.from({ length: 1000 }, dial));
  const open = () => sockets.filter(({ closed }) => !closed).length;
  await until(() => (open() <= strangersMax ? true : undefined));
  await expectGoesOn();
  expect(memoryMiB() - before).toBeLessThan(addedMiBMax);
  await until(() => (sockets.every(({ closed }) => closed) ? true : undefined));
  expect(output).toMatch(/limit strangers is 128/);
});

test("a slow-loris, which sends a byte of its greeting at a time, is closed within seconds", async () => {
  const sockets = await Promise.all(Array.from({ length: 20 }, dial));
  const began = performance.now();
  for (let k = 0; sockets.some(({ closed }) => !closed); k++) {
    for (const socket of sockets) if (!socket.closed) socket.write(preface[k % preface.length]!);
    await delay(200);
    expect(performance.now() - began).toBeLessThan(30_000);
  }
  await expectGoesOn();
});

test("bytes that are no HTTP/2, and frames that are none, end their own connection only", async () => {
  for (const text of [
    "GET / HTTP/1.1\r\n\r\n",
    `${preface}${"\xff".repeat(1000)}`,
    "\0".repeat(5000),
  ]) {
    const socket = await dial();
    socket.write(text, "latin1");
    await until(() => (socket.closed ? true : undefined));
  }
  await expectGoesOn();
});

test("calls without a token, with too large headers or a message beyond the limit are refused", async () => {
  const session = connectHttp2(`http://${address}`);
  session.on("error", () => {});
  const call = (path: string, headers: Record<string, string>, body: Buffer) =>
    new Promise<string>((resolve) => {
      const request = session.request({
        ...{ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" },
        ...headers,
      });
      let code = "";
      request.on("response", (found) => (code = String(found["grpc-status"] ?? code)));
      request.on("trailers", (found) => (code = String(found["grpc-status"] ?? code)));
      request.on("error", () => {});
      request.on("close", () => resolve(code));
      request.resume();
      request.end(body);
    });
  const service = "/glissade.cluster.v1.Cluster";
  const empty = Buffer.alloc(5);
  const huge = Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
  const own = { "glissade-token": words.work };
  expect(await call(`${service}/Join`, {}, empty)).toBe("16");
  expect(await call(`${service}/Stop`, { "glissade-token": words.work }, empty)).toBe("7");
  expect(await call(`${service}/Join`, { ...own, extra: "x".repeat(20_000) }, empty)).toBe("8");
  expect(await call(`${service}/Join`, own, huge)).toBe("8");
  expect(await call(`${service}/Other`, own, empty)).toBe("12");
  // A message that is no protobuf.
  expect(await call(`${service}/Join`, own, Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff]))).toBe("13");
  session.destroy();
  await expectGoesOn();
  for (const limit of ["headers is 16384", "message is 268435456"]) {
    expect(output).toMatch(new RegExp(`limit ${limit}`));
  }
});

test("more calls at a time than one connection may have are refused, each limit reached an event", async () => {
  const session = connectHttp2(`http://${address}`);
  session.on("error", () => {});
  const codes: string[] = [];
  // Calls that send nothing stay open; the server takes some more than the limit, to see who goes beyond it.
  const requests = Array.from({ length: 140 }, () => {
    const request = session.request({
      ...{ ":method": "POST", "content-type": "application/grpc", te: "trailers" },
      ...{ ":path": "/glissade.cluster.v1.Cluster/Status", "glissade-token": words.work },
    });
    request.on("error", () => {});
    request.on("response", (found) => codes.push(String(found["grpc-status"])));
    request.resume();
    return request;
  });
  await until(() => (codes.length >= 12 ? true : undefined));
  expect(codes).toEqual(codes.map(() => "8"));
  await until(() => (/limit streams is 128/.test(output) ? true : undefined));
  for (const request of requests) request.close();
  await expectGoesOn();
  session.destroy();
});

test("a peer that asks for much and never reads is held back: memory stays bounded", async () => {
  const before = memoryMiB();
  const session = connectHttp2(`http://${address}`, { settings: { initialWindowSize: 0 } });
  session.on("error", () => {});
  const body = Buffer.alloc(5);
  const rows = Buffer.from([0, 0, 0, 0, 6, 0x08, 0, 0x10, 1, 0x18, 0]);
  for (let k = 0; k < 120; k++) {
    const request = session.request({
      ...{ ":method": "POST", "content-type": "application/grpc", te: "trailers" },
      ":path": `/glissade.cluster.v1.Cluster/${k % 2 === 0 ? "Status" : "Rows"}`,
      "glissade-token": words.work,
    });
    request.on("error", () => {});
    request.end(k % 2 === 0 ? body : rows);
  }
  // The window for what is sent back stays 0: nothing of it can leave.
  await delay(2000);
  await expectGoesOn();
  expect(memoryMiB() - before).toBeLessThan(addedMiBMax);
  session.destroy();
});

test("the run stops for an admin, and nothing that was written or printed holds a token", async () => {
  for (const role of ["observe", "work"] as const) {
    const credentials = { ...noCredentials, tokens: { [role]: words[role] } };
    const client = createClient(address, credentials);
    const stop = { method: Cluster.method.stop, request: { reason: "test" } };
    await expect(callUnary(client, stop)).rejects.toThrow(/Stop needs admin/);
    client.close();
  }
  const credentials = { ...noCredentials, tokens: tokensIn(tokenText, "here") };
  const client = createClient(address, credentials);
  await callUnary(client, { method: Cluster.method.stop, request: { reason: "test" } });
  client.close();
  await until(() =>
    processes.every(({ exitCode }) => exitCode !== null) ? true : undefined,
  ).catch(() => {});
  await Promise.all(
    processes.map(async (child) => {
      while (child.exitCode === null) await delay(50);
    }),
  );
  expect(processes.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
  const files = readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile());
  expect(files.some((path) => path.endsWith("manifest.json"))).toBe(true);
  expect(files.some((path) => path.endsWith("events.jsonl"))).toBe(true);
  const texts = [output, ...files.map((path) => readFileSync(path, "latin1"))];
  for (const word of Object.values(words)) {
    expect(texts.some((text) => text.includes(word))).toBe(false);
  }
  const events = texts.find((text) => text.includes('"limit-reached"'));
  expect(events).toMatch(/"fault":"denied"/);
});
