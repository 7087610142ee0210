/**
 * Processor time of a batched frame over a link, beside a raw stream of grpc-js that carries the same frames,
 * one behind the other, in as many messages: without numbers, acknowledgement, resending or reading them apart.
 * Both ends are in this process, so the time is that of both.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import { noCredentials } from "../../dist/engines/cluster/credentials.js";
import { createGuard } from "../../dist/engines/cluster/guard.js";
import { Links } from "../../dist/engines/cluster/links.js";
import { limitDefaults } from "../../dist/engines/cluster/protection.js";
import { channelOptions } from "../../dist/engines/cluster/rpc.js";
import { ClusterServer } from "../../dist/engines/cluster/server.js";
import { median } from "./measure.mjs";

/** Of small frames that wait together, so many leave in one message. */
const batchBytes = 64 * 1024;
const rounds = 13;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");

export async function benchFrames() {
  const results = [];
  for (const [bytes, frames] of [
    [1024, 60_000],
    [8192, 16_000],
    [188_944, 1500],
  ]) {
    const perMessage = Math.max(1, Math.floor(batchBytes / bytes));
    const own = () => linkTime(bytes, frames);
    const raw = () => rawTime(bytes, { perMessage, messages: Math.ceil(frames / perMessage) });
    const pairs = [];
    // One beside the other, each first in turn: what one leaves behind is not collected in the other's time.
    for (let round = 0; round < rounds; round++) {
      const times = new Map();
      for (const take of round % 2 === 0 ? [own, raw] : [raw, own]) {
        collectGarbage();
        times.set(take, await take());
      }
      pairs.push({ own: times.get(own), raw: times.get(raw) });
    }
    const micros = (name) => (1e6 * median(pairs.map((pair) => pair[name]))) / frames;
    const ratios = pairs.map((pair) => pair.own / pair.raw).sort((a, b) => a - b);
    const ratio = median(ratios);
    const quarter = (part) => `${ratios[Math.round(part * (rounds - 1))].toFixed(2)}x`;
    results.push({
      what: `processor time of a frame of ${bytes} bytes`,
      target: "at most 1.5x raw grpc-js",
      found: `${micros("own").toFixed(1)} us, raw ${micros("raw").toFixed(1)} us: ${ratio.toFixed(2)}x (half of ${rounds} pairs from ${quarter(0.25)} to ${quarter(0.75)})`,
      met: ratio <= 1.5,
    });
  }
  return results;
}

/** Seconds of processor time from the beginning until all has arrived. */
async function processorTime(begin, arrived) {
  const before = process.cpuUsage();
  begin();
  await arrived;
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

async function linkTime(bytes, frames) {
  let received = 0;
  let done;
  const arrived = new Promise((resolve) => {
    done = resolve;
  });
  const ignore = () => {};
  const events = (frame, room = ignore) => ({
    ...{ frame, room, connected: ignore, broken: ignore, overrun: ignore, fenced: ignore },
    needs: () => true,
  });
  const identity = (rank) => ({ run: "bench", credentials: noCredentials, rank, incarnation: 1 });
  const target = new Links(
    identity(0),
    events(() => ++received === frames && done()),
  );
  const server = await serve((call) => target.accept(call));
  target.admit({ rank: 1, incarnation: 1, address: null });
  let sent = 0;
  const frame = new Uint8Array(bytes);
  const fill = () => {
    while (sent < frames && source.hasRoom) {
      source.send(0, frame);
      sent++;
    }
  };
  const source = new Links(identity(1), events(ignore, fill));
  source.admit({ rank: 0, incarnation: 1, address: `127.0.0.1:${server.port}` });
  const time = await processorTime(fill, arrived);
  source[Symbol.dispose]();
  target[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  return time;
}

function serve(exchange) {
  const no = () => {
    throw new Error("not here");
  };
  return ClusterServer.listen({
    ...{ listen: "127.0.0.1:0", guard: createGuard(noCredentials, limitDefaults, () => {}) },
    handlers: { join: no, rows: no, snapshot: no, stop: no, status: () => ({}), exchange },
  });
}

async function rawTime(bytes, { perMessage, messages }) {
  const same = (buffer) => buffer;
  const method = {
    ...{ path: "/raw/Raw", requestStream: true, responseStream: true },
    ...{ requestSerialize: same, requestDeserialize: same },
    ...{ responseSerialize: same, responseDeserialize: same },
  };
  const server = new Server(channelOptions);
  let received = 0;
  let done;
  const arrived = new Promise((resolve) => {
    done = resolve;
  });
  server.addService(
    { raw: method },
    {
      raw(call) {
        call.on("data", () => ++received === messages && done());
        call.on("error", () => {});
      },
    },
  );
  const port = await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), channelOptions);
  const call = client.makeBidiStreamRequest(method.path, same, same);
  call.on("error", () => {});
  const batch = Array(perMessage).fill(new Uint8Array(bytes));
  let sent = 0;
  const fill = () => {
    while (sent++ < messages)
      if (!call.write(Buffer.concat(batch))) return call.once("drain", fill);
  };
  const time = await processorTime(fill, arrived);
  call.cancel();
  client.close();
  server.forceShutdown();
  return time;
}
