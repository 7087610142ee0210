/**
 * Everything that takes bytes of others: for each decoder valid inputs to begin with, and what it may answer. A
 * decoder answers, or refuses in words of ours; any other exception is a bug.
 */
import { createHash } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { blockByteLength, createBlock, rowsFault, viewBlock } from "../../dist/data/block.js";
import { checkManifest, decodeHeader, encodeHeader } from "../../dist/data/block-file.js";
import { tokensIn } from "../../dist/engines/cluster/credentials.js";
import { readFrames, writeFrames } from "../../dist/engines/cluster/frames.js";
import { Cluster } from "../../dist/engines/cluster/generated/glissade/cluster/v1/cluster_pb.js";
import { refuseHandshake, unknownRun } from "../../dist/engines/cluster/handshake.js";
import { encodeNote } from "../../dist/engines/cluster/job.js";
import { readTale } from "../../dist/engines/cluster/tales.js";
import { readTargets } from "../../dist/engines/cluster/targets.js";
import { membered } from "../../dist/engines/membered.js";
import { Arena } from "../../dist/kernels/arena.js";
import { loadKernels } from "../../dist/kernels/loader.js";
import { kernelParser } from "../../dist/kernels/parser.js";
import {
  decodeModel,
  decodeTensors,
  encodeModel,
  encodeTensors,
} from "../../dist/model/safetensors.js";
import { decodeCheckpoint } from "../../dist/run/checkpoint.js";
import { parseConfig } from "../../dist/run/config-file.js";
import { eventsIn } from "../../dist/run/history.js";
import { unzstd } from "../../dist/run/loading/zstd.js";
import { resolveSettings, settingNames } from "../../dist/run/settings-origin.js";
import { messageStrategies } from "../../dist/strategies/all.js";
import { version } from "../../dist/version.js";
import { encodeFrame, readFrame } from "../../dist/wire/frame.js";
import { packDelta, unpackDelta } from "../../dist/wire/packed.js";
import { anyKind, messageFault } from "../../dist/wire/shape.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const codec = { encode: (text) => encoder.encode(text), decode: (bytes) => decoder.decode(bytes) };
const width = 64;
const value = Float32Array.of(0.5, -2, 3);
const index = Uint32Array.of(1, 5, 63);
/** A worker that hears a server, which holds half of the model. */
const bounds = {
  ...{ width, normMax: 1e12, members: 4, workers: 3, own: width, theirs: width / 2 },
  seats: ["worker", "worker", "worker", "server"].map((role) => ({ role })),
  ...{ senderRole: "server", receiverRole: "worker", lives: [1, 1024] },
  ...{ batchRowsMax: 100, modelRowsMax: 1e6 },
};
const bytesOf = (...texts) => texts.map((text) => encoder.encode(text));
const wordsOf = (text) => bytesOf(...text.split(" "));
const jsonWords = wordsOf(
  '{ } [ ] , : null 1e999 -1 "__proto__" "kind" 9007199254740993 "\\ud800"',
);

/** Errors that are answers, by name; a RangeError is ours when it begins so. */
const refusals = [
  "ModelFileError",
  "CheckpointError",
  "SettingError",
  "ClusterError",
  "InputError",
];

export function isRefusal(error) {
  if (!(error instanceof Error)) return false;
  if (refusals.includes(error.name)) return true;
  return error instanceof RangeError && /^(Cannot |a |expected )/.test(error.message);
}

const frameSeeds = [
  encodeFrame({ kind: "push", clock: 3, rows: 10, delta: { index, value } }),
  encodeFrame({ kind: "model", rows: 7, values: new Float32Array(width).fill(0.25) }),
  encodeFrame({ kind: "beat", who: "member", ends: true, none: null, list: Uint32Array.of(1, 2) }),
  encodeFrame({ kind: "share", packed: packDelta({ index, value }, "f16"), f: Float64Array.of(1) }),
];
/** Strategies as members run them, and messages of theirs. */
const memberedShapes = messageStrategies.map((strategy) => membered(strategy, {}).shapes);
const sent = { by: 1, in: 1 };
const half = new Float32Array(width / 2).fill(0.25);
const whole = new Float32Array(width).fill(-1);
const view = Uint32Array.of(2, 2, 0, 1, 0, 3, 1, 1);
const messageSeeds = [
  { kind: "model", view: 1, clock: 3, rows: 10, values: half, ...sent },
  { kind: "reduce", view: 1, round: 2, step: 0, values: half, rows: 5, squares: 25, ...sent },
  { kind: "offer", k: 1, rows: 7, values: packDelta(whole, "bf16"), ...sent },
  { kind: "update", clock: 1, rows: 5, delta: { index, value }, version: 2, seen: null, ...sent },
  { kind: "standing", view: 2, round: 3, plan: Uint32Array.of(1, 0, 2, 0, 1, 3, 1), ...sent },
  { kind: "share", round: 3, rows: 9, weights: whole, ...sent },
  { kind: "m/install", by: 1, view },
  { kind: "m/promise", by: 1, slot: 2, ballot: 65536, acceptedBallot: 0, accepted: view },
].map(encodeFrame);

const notes = [
  { kind: "ready", updates: 3 },
  { kind: "lease", rows: 12, left: 3 },
  {
    kind: "progress",
    updates: 1,
    rows: 2,
    bytes: 3,
    messages: 4,
    lost: 0,
    longestUpdate: 0.1,
    wait: null,
  },
  {
    kind: "view",
    view: { id: 2, members: [{ rank: 0, incarnation: 1, role: "worker" }], left: [] },
  },
];

/** Messages that callers may send, with what a handler does first. */
const requests = Object.values(Cluster.method)
  .filter(({ methodKind }) => methodKind !== "bidi_streaming")
  .map(({ input }) => input);
const requestSeeds = [
  toBinary(
    Cluster.method.join.input,
    create(Cluster.method.join.input, {
      handshake: { protocol: 1, version, run: "r", settings: "s" },
      ...{ advertise: ":7650", rankHint: -1, host: "h", process: 7 },
    }),
  ),
  toBinary(
    Cluster.method.rows.input,
    create(Cluster.method.rows.input, { rank: 1, incarnation: 1, segments: [1, 2, 300] }),
  ),
  toBinary(Cluster.method.stop.input, create(Cluster.method.stop.input, { reason: "why" })),
];

function blockSeeds() {
  return [
    { rows: 2, nonZeros: 3 },
    { rows: 0, nonZeros: 0 },
  ].map((shape) => {
    const buffer = new ArrayBuffer(blockByteLength(shape));
    const block = createBlock(buffer, 0, { ...shape, width, rowIdBase: 0 });
    block.rowStart.set(shape.rows === 2 ? [0, 1, 3] : [0]);
    if (shape.rows === 2) block.index.set(index);
    return new Uint8Array(buffer);
  });
}

const manifest = {
  ...{ glissade: "1", version, created: "x", rows: 2, nonZeros: 3, width, indexBase: 1 },
  ...{ labels: { kind: "binary", negative: -1, positive: 1 }, sources: [{ name: "a" }] },
  ...{ skippedRows: 0, fingerprint: "f", origin: null },
  blocks: [
    { rows: 2, nonZeros: 3, offset: 4096, byteLength: blockByteLength({ rows: 2, nonZeros: 3 }) },
  ],
};

const model = encodeModel(
  {
    ...{ weights: new Float32Array(8).fill(0.5), loss: "hinge", l2: 1e-4, labels: [-1, 1] },
    ...{ indexBase: 1, bias: false, settings: {}, data: "d", version },
  },
  codec,
);

/** A checkpoint whose checksum holds whatever its state says: what a checksum hides is looked at too. */
function checkpointOf(state) {
  const one = () => ({ shape: [2], data: Float32Array.of(1, 2) });
  const tensors = {
    "solver.w": one(),
    "best.kept": one(),
    "best.lastGood": one(),
    "best.average": one(),
  };
  const hash = createHash("sha256").update(state);
  for (const [name, { data }] of Object.entries(tensors))
    hash.update(name).update(new Uint8Array(data.buffer));
  const metadata = {
    format: "glissade-checkpoint/1",
    version,
    state,
    checksum: hash.digest("hex"),
  };
  return encodeTensors({ metadata, tensors }, codec);
}

const state = JSON.stringify({
  solver: { numbers: { rows: 5 } },
  best: { cost: 1, snapshots: 2 },
  order: [1],
});
const configText = "l2: 1e-4\nloss: hinge\nstop: [epochs:20, patience:3]\nlimits: message=1GiB\n";
const rowText = "1 1:0.5 7:2\n-1 2:1e-3 63:4.5 # x\n+1 5:1\n";

const arena = new Arena();
const parser = kernelParser(arena, loadKernels(arena));
const canary = 0xa5;
const room = arena.allocate(1 << 16);

/** Parses a text between canaries: nothing beside the block may be written. */
function parseRows(bytes) {
  const length = Math.min(bytes.length, 2048);
  const text = new Uint8Array(arena.buffer, room, length + 64).fill(0x39);
  text.set(bytes.subarray(0, length));
  // Whoever cuts a text ends it with a line feed.
  text[length] = 10;
  const range = { address: room, byteLength: length + 1 };
  const { newlines, colons } = parser.count(range);
  const shape = { rows: newlines, nonZeros: colons };
  const at = room + 4096;
  const size = blockByteLength(shape);
  const around = new Uint8Array(arena.buffer, at, size + 128).fill(canary);
  const block = createBlock(arena.buffer, at + 64, { ...shape, width: 0, rowIdBase: 0 });
  const options = { format: "svmlight", labels: "required", widthLimit: 2 ** 28, badRowsMax: 2 };
  parser.parse(range, block, options);
  for (let k = 0; k < 64; k++) {
    if (around[k] !== canary || around[64 + size + k] !== canary) {
      throw new Error("the parser wrote beside its block");
    }
  }
}

function readBlock(bytes) {
  const buffer = new ArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  const block = viewBlock(buffer, 0);
  if (rowsFault(block) !== null) return;
  // What kernels do: no offset and no index may lead out.
  const weights = new Float32Array(Math.min(block.width, 1 << 16));
  for (let row = 0; row < block.rows; row++) {
    for (let k = block.rowStart[row]; k < block.rowStart[row + 1]; k++) {
      if (k >= block.nonZeros) throw new Error("a row leads out of its block");
      if (block.index[k] >= block.width) throw new Error("an index leads out of the model");
      weights[0] += block.value[k];
    }
  }
}

const anyShapes = { [anyKind]: { fields: {}, open: true } };

/** A message that has its shape has the fields of its kind, and no others. */
function readShaped(bytes, chance) {
  const read = readFrame(bytes);
  if ("fault" in read) return;
  const shapes = memberedShapes[chance.below(memberedShapes.length)];
  if (messageFault(shapes, read.body, bounds) !== null) return;
  const { kind, ...fields } = read.body;
  const named = Object.keys(shapes[kind].fields);
  if (Object.keys(fields).sort().join() !== named.sort().join()) {
    throw new Error(`a message ${kind} with other fields was let through`);
  }
}

function readMessage(bytes) {
  const read = readFrame(bytes);
  if ("fault" in read || messageFault(anyShapes, read.body, bounds) !== null) return;
  for (const field of Object.values(read.body)) {
    if (field instanceof Float32Array && field.some((x) => !Number.isFinite(x))) {
      throw new Error("a value that is no number was let through");
    }
    if (field?.index?.some((i) => i >= width)) throw new Error("an index was let through");
  }
}

function readManifest(bytes) {
  let parsed;
  try {
    parsed = JSON.parse(decoder.decode(bytes));
  } catch {
    return;
  }
  checkManifest(parsed, { manifestOffset: 8192, manifestBytes: 10, manifestChecksum: 0n });
}

/** Name, share of the inputs in parts per thousand, valid inputs, words to put in, and the decoder. */
export const targets = [
  { name: "frame", share: 160, seeds: frameSeeds, run: readMessage },
  { name: "shaped message", share: 80, seeds: messageSeeds, run: readShaped },
  {
    ...{ name: "frames message", share: 160, run: readFrames },
    seeds: [
      writeFrames({ first: 1, received: 7, frame: frameSeeds.slice(0, 2) }),
      writeFrames({ first: 0, received: 300, frame: [] }),
      writeFrames({ first: 2 ** 40, received: 0, frame: [new Uint8Array(3), new Uint8Array(0)] }),
    ],
  },
  {
    ...{ name: "packed delta", share: 130, run: (bytes) => unpackDelta(bytes, width) },
    seeds: ["f32", "f16", "bf16"].flatMap((format) => [
      packDelta({ index, value }, format),
      packDelta(new Float32Array(width).fill(1), format),
    ]),
  },
  { name: "note", share: 80, seeds: notes.map(encodeNote), words: jsonWords, run: readTale },
  {
    ...{ name: "request", share: 120, seeds: requestSeeds },
    run(bytes, chance) {
      const schema = requests[chance.below(requests.length)];
      let request;
      try {
        request = fromBinary(schema, bytes);
      } catch {
        // gRPC answers that the message could not be read.
        return;
      }
      refuseHandshake(request.handshake, unknownRun, `${request.host}, process ${request.process}`);
    },
  },
  { name: "block", share: 90, seeds: blockSeeds(), run: readBlock },
  {
    ...{ name: "block file header", share: 40 },
    seeds: [encodeHeader({ manifestOffset: 4096, manifestBytes: 100, manifestChecksum: 5n })],
    run: (bytes) => decodeHeader(bytes, 4196),
  },
  {
    name: "block file manifest",
    share: 20,
    seeds: bytesOf(JSON.stringify(manifest)),
    words: jsonWords,
    run: readManifest,
  },
  {
    name: "tensors",
    share: 30,
    seeds: [model],
    words: jsonWords,
    run: (bytes) => decodeTensors(bytes, codec),
  },
  {
    name: "model",
    share: 15,
    seeds: [model],
    words: jsonWords,
    run: (bytes) => decodeModel(bytes, codec),
  },
  {
    ...{ name: "checkpoint", share: 6, seeds: bytesOf(state), words: jsonWords },
    run: (bytes) => decodeCheckpoint(checkpointOf(decoder.decode(bytes))),
  },
  { name: "checkpoint file", share: 4, seeds: [checkpointOf(state)], run: decodeCheckpoint },
  {
    ...{ name: "event log", share: 20, words: jsonWords },
    seeds: bytesOf(
      '{"v":1,"time":0.2,"kind":"evaluated","rows":5,"loss":0.1}\n{"v":1,"kind":"stopped"}\n',
    ),
    run: (bytes) => eventsIn(decoder.decode(bytes)).map(({ kind }) => kind.length),
  },
  {
    name: "rows of text",
    share: 36,
    seeds: bytesOf(rowText),
    words: wordsOf("1: : 1e 0x nan inf -- 9999999999:1 qid:3 # \n"),
    run: parseRows,
  },
  {
    ...{
      name: "tokens and places",
      share: 4,
      seeds: bytesOf("work: abc\nobserve: def", "word", "dns:name:7650,10.0.0.1:1"),
    },
    run(bytes, chance) {
      const text = decoder.decode(bytes);
      if (chance.below(2) === 0) tokensIn(text, "FILE");
      else readTargets(text);
    },
  },
  {
    ...{
      name: "settings",
      share: 3,
      seeds: bytesOf("1e-4", "epochs:20,patience:3", "512MiB", "accuracy>=0.9", "message=1GiB"),
    },
    run(bytes, chance) {
      const name = settingNames[chance.below(settingNames.length)];
      const flags = { [name]: chance.below(9) === 0 ? true : decoder.decode(bytes) };
      resolveSettings({ flags, environment: {}, config: null });
    },
  },
  {
    ...{
      name: "config file",
      share: 1.5,
      seeds: bytesOf(configText),
      words: wordsOf("&a *a - : [ ] { } ? | > !! << \t"),
    },
    async run(bytes) {
      const entries = await parseConfig(decoder.decode(bytes), "glissade.yaml");
      resolveSettings({ flags: {}, environment: {}, config: { path: "glissade.yaml", entries } });
    },
  },
  {
    ...{ name: "zstd", share: 0.5 },
    // A frame of one raw block, and one of a run; made by hand after RFC 8878.
    seeds: [
      Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 3, 0x19, 0, 0, 65, 66, 67),
      Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x23, 0, 0, 65),
    ],
    async run(bytes) {
      let length = 0;
      try {
        for await (const piece of unzstd([bytes], undefined)) length += piece.length;
      } catch (error) {
        // Whatever is wrong with a file is told with its name by who reads it.
        if (!(error instanceof Error)) throw error;
      }
      if (length > 2 ** 26) throw new Error(`${bytes.length} bytes became ${length}`);
    },
  },
];

/** A decoder with a bug, to see that it is found: it believes a length. */
export const planted = {
  ...{ name: "planted", share: 50, seeds: frameSeeds },
  run(bytes) {
    if (bytes.length < 36) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(0, true) !== 0x46534c47) return;
    const length = view.getUint32(16, true);
    if (length > 0) view.getUint8(32 + length - 1);
  },
};
