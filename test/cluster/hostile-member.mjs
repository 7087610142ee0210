/**
 * A member that was given a seat and uses it against the others: `hostile-member.mjs HOST:PORT EVIL`. It is a real
 * one but for what it sends. EVIL: `nan`, `absurd`, `index`, `field` spoil its updates, `replay` sends each message
 * twice, `claim` dials the others in the name of third ones and of the coordinator, and says what comes of it; so does
 * `mint`, with passes that it signs itself for later lives of all seats.
 */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { Client } from "@grpc/grpc-js";
import { openCredentials } from "../../dist/engines/cluster/credentials.js";
import { readFrames, writeFrames } from "../../dist/engines/cluster/frames.js";
import { encodeNote } from "../../dist/engines/cluster/job.js";
import { Links } from "../../dist/engines/cluster/links.js";
import { nextProcess } from "../../dist/engines/cluster/lives.js";
import { ClusterMember } from "../../dist/engines/cluster/member.js";
import { createKeys, proofOf, signGivenPass } from "../../dist/engines/cluster/passes.js";
import { createClient, MemberClient } from "../../dist/engines/cluster/rpc.js";
import { encodeFrame, readFrame } from "../../dist/wire/frame.js";

const [join, evil] = process.argv.slice(2);
const say = (line) => console.log(`hostile ${evil}: ${line}`);
const credentials = openCredentials({
  ...{ token: process.env.GLISSADE_TOKEN, tokenFile: null, credentials: null, insecure: false },
  ...{ tlsCa: null, tlsCert: null, tlsKey: null },
});

/** The secrets of the keys that this process made: the first proves its seat. */
const secrets = [];
const { generateKeyPairSync } = crypto;
crypto.generateKeyPairSync = (...args) => {
  const pair = generateKeyPairSync(...args);
  secrets.push(pair.privateKey);
  return pair;
};
syncBuiltinESMExports();

const spoil = {
  nan: (body) => ({ ...body, delta: spoiltDelta(body.delta, Number.NaN) }),
  absurd: (body) => ({ ...body, delta: spoiltDelta(body.delta, 1e30) }),
  index: (body) => ({
    ...body,
    delta: { index: Uint32Array.of(2 ** 31), value: Float32Array.of(1) },
  }),
  field: (body) => ({ ...body, version: "none" }),
}[evil];

function spoiltDelta(delta, value) {
  const values = (delta.value ?? delta).slice().fill(value);
  return delta.index ? { index: delta.index, value: values } : values;
}

const { send } = Links.prototype;
Links.prototype.send = function (rank, frame) {
  const read = rank >= 0 && spoil ? readFrame(frame) : null;
  const isUpdate = read?.body?.kind === "update";
  send.call(this, rank, isUpdate ? encodeFrame(spoil(read.body)) : frame);
};

/** What is known of the others: where they are, and the last headers of streams from and to them. */
const places = new Map();
const headersTo = new Map();
const headersFrom = new Map();
const { admit, accept } = Links.prototype;
Links.prototype.admit = function (place) {
  if (place.address !== null) places.set(place.rank, place);
  admit.call(this, place);
};
Links.prototype.accept = function (call) {
  headersFrom.set(Number(call.metadata.get("glissade-rank")[0]), call.metadata.clone());
  accept.call(this, call);
};
const { metadataOf } = MemberClient.prototype;
MemberClient.prototype.metadataOf = function (method, entries) {
  const metadata = metadataOf.call(this, method, entries);
  if (entries?.["glissade-to"] >= -1) headersTo.set(entries["glissade-to"], metadata.clone());
  return metadata;
};
const { makeBidiStreamRequest } = Client.prototype;
Client.prototype.makeBidiStreamRequest = function (...args) {
  const call = makeBidiStreamRequest.apply(this, args);
  const { write } = call;
  if (evil !== "replay") return call;
  call.write = (message) => {
    if (message.first > 20) write.call(call, message);
    return write.call(call, message);
  };
  return call;
};

const member = new ClusterMember({
  ...{ join, credentials, listen: "127.0.0.1:0", advertise: null, rankHint: 1 },
  log: () => {},
});
await member.start();
say("has a seat");
if (evil === "claim") await claimAll();
if (evil === "mint") await mintAll();
const end = await member.ended;
say(`ended: ${end.kind} ${end.message ?? ""}`);
process.exit(0);

/** Speaks to every other member as every third one, with what proofs there are: its own, theirs, and none. */
async function claimAll() {
  const others = () => [...places.keys()].filter((rank) => rank >= 0 && headersFor(rank) !== null);
  while (others().length < 2) await new Promise((resume) => setTimeout(resume, 50));
  for (const to of others()) {
    const thirds = [...others().filter((rank) => rank !== to), -1];
    for (const as of thirds) {
      const own = String(headersFor(to).get("glissade-proof")[0]);
      const theirs = String(headersFrom.get(as)?.get("glissade-proof")[0] ?? "");
      for (const proof of [own, theirs, "", "a.b.c"]) await claim({ to, as, proof });
    }
  }
  say("has claimed");
}

/** Speaks to every other member, and to the coordinator, as a process to which it gives every seat itself. */
async function mintAll() {
  const others = () => [...places.keys()].filter((rank) => headersFor(rank) !== null);
  while (others().length < 3 || !headersTo.has(-1)) {
    await new Promise((resume) => setTimeout(resume, 50));
  }
  const read = (name) => String(headersTo.get(-1).get(name)[0]);
  const [run, rank] = [read("glissade-run"), Number(read("glissade-rank"))];
  const incarnation = Number(read("glissade-incarnation"));
  const [key, pass] = read("glissade-proof").split(".");
  const giver = { run, rank, incarnation };
  const proof = { own: { secret: secrets[0], key }, pass };
  for (const to of others().toSorted((a, b) => b - a)) {
    for (const as of [-1, 0, 1, 2, 3]) {
      const holder = { run, rank: as, incarnation: nextProcess(incarnation, rank) };
      const own = createKeys();
      const given = signGivenPass(proof, giver, { holder, key: own.key });
      const life = { rank: to, incarnation: places.get(to).incarnation };
      const words = ["opens", "session", "", "127.0.0.1:9"];
      const shown = proofOf({ own, pass: given }, { from: holder, to: life, words });
      const session = { "glissade-session": "session", "glissade-address": "127.0.0.1:9" };
      await claim({ to, as, life: holder.incarnation, proof: shown, more: session });
    }
  }
  say("has claimed");
}

/** Headers of a stream to that member: of one that was dialled to it, or else of one that it dialled, turned around. */
function headersFor(to) {
  if (headersTo.has(to)) return headersTo.get(to).clone();
  const headers = headersFrom.get(to)?.clone() ?? null;
  headers?.set("glissade-to", String(to));
  headers?.set("glissade-to-incarnation", String(headers.get("glissade-incarnation")[0]));
  return headers;
}

function claim({ to, as, proof, life = as < 0 ? 1 : places.get(as).incarnation, more = {} }) {
  const { address } = places.get(to);
  const headers = headersFor(to);
  headers.set("glissade-rank", String(as));
  headers.set("glissade-incarnation", String(life));
  headers.set("glissade-proof", proof);
  headers.set("glissade-knows", "");
  for (const [name, value] of Object.entries(more)) headers.set(name, value);
  const client = createClient(address, credentials);
  const path = "/glissade.cluster.v1.Cluster/Exchange";
  return new Promise((resolve) => {
    const call = client.makeBidiStreamRequest(path, writeFrames, readFrames, headers);
    const bye = as < 0 ? encodeNote({ kind: "close" }) : encodeFrame({ kind: "m/closed", by: 1 });
    call.on("error", () => {});
    call.on("data", () => {
      say(`was taken for member ${as} by ${to}`);
      call.cancel();
    });
    call.on("status", ({ code, details }) => {
      say(`as member ${as} to ${to}: ${code} ${details}`);
      client.close();
      resolve();
    });
    call.write({ first: 1, received: 0, frame: [bye] });
  });
}
