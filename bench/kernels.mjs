/**
 * The kernels: SGD over rows in the order of the file beside the C loop over the same rows, the
 * parser beside a plain C reader, each also beside its slow twin in TypeScript.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { viewBlock } from "../dist/data/block.js";
import { parseChunk } from "../dist/data/chunk.js";
import { loadDataset } from "../dist/index.js";
import { Arena } from "../dist/kernels/arena.js";
import { loadKernels } from "../dist/kernels/loader.js";
import { kernelParser } from "../dist/kernels/parser.js";
import { referenceParser } from "../dist/kernels/reference/parse.js";
import { sgdRows } from "../dist/kernels/reference/rows.js";
import { createContext } from "../dist/learner/context.js";
import { createReplica } from "../dist/learner/replica.js";
import { allRows, listRows } from "../dist/learner/rows.js";
import { judge, learnInPlace } from "../dist/learner/sgd.js";
import { losses } from "../dist/model/losses.js";
import { optimalSchedule } from "../dist/model/schedule.js";
import { prepareSet, problems } from "./support/data.mjs";
import { lastJson, median, run, scratch } from "./support/measure.mjs";
import { epoch } from "./support/programs.mjs";

const t0 = 20_000;
const textBytes = 8 * 2 ** 20;
const slowRows = 20_000;

/** Epochs of one turn: enough that a turn takes some tenths of a second. */
const epochsOf = (nonZeros) => Math.max(3, Math.round(1e8 / nonZeros));

function seconds(work) {
  const begin = performance.now();
  work();
  return (performance.now() - begin) / 1000;
}

/**
 * One epoch of SGD, the kernel and the C loop in turn, the quickest epoch of each turn: what else
 * runs on the machine only ever adds time.
 * @returns seconds of an epoch of both, the median ratio of the turns, and non-zeros a second.
 */
export async function benchEpoch({ setName, problemName, rounds }) {
  const set = await prepareSet(setName);
  const { loss, l2 } = problems[problemName];
  const data = await loadDataset(set.train, { indexBase: 1 });
  const kernels = loadKernels(data.arena);
  const threshold = (data.labels.negative + data.labels.positive) / 2;
  const context = createContext(data.arena, kernels, { loss, l2, threshold });
  const list = listRows(data.arena, data.blocks.map(allRows));
  const schedule = optimalSchedule({ l2, t0 });
  const nonZeros = data.blocks.reduce((sum, block) => sum + block.nonZeros, 0);
  const epochs = epochsOf(nonZeros);
  const replica = createReplica(data.arena, data.width);
  const ours = () => {
    replica.v.fill(0);
    replica.t = 0;
    const pass = () => learnInPlace(context, schedule, replica, list);
    return Math.min(...Array.from({ length: epochs }, () => seconds(pass)));
  };
  const theirs = () => {
    const words = [set.trainCsr, loss, l2, t0, epochs, join(scratch, "kernel")].map(String);
    return Math.min(...lastJson(run(epoch(), words)).epochs);
  };
  ours(); // the first turn waits for the optimising compiler
  const turns = Array.from({ length: rounds }, () => ({ glissade: ours(), c: theirs() }));
  const judging = () => judge(context, { address: replica.address, scale: 1 }, list);
  const evaluate = median(Array.from({ length: rounds }, () => seconds(judging)));
  return {
    glissade: median(turns.map((turn) => turn.glissade)),
    c: median(turns.map((turn) => turn.c)),
    ratio: median(turns.map((turn) => turn.glissade / turn.c)),
    slow: slowEpoch({ data, schedule, loss, threshold }) * (data.rows / slowRows),
    evaluate,
    nonZeros,
  };
}

/** Seconds of the slow twin over the first rows. */
function slowEpoch({ data, schedule, loss, threshold }) {
  const rows = [];
  for (const block of data.blocks) {
    for (let row = 0; row < block.rows && rows.length < slowRows; row++) rows.push({ block, row });
  }
  const v = new Float32Array(data.width);
  const scale = new Float64Array(rows.length);
  const coefficient = new Float64Array(rows.length).fill(1 / (schedule.t0 * 1e-4));
  for (let k = 0; k < rows.length; k++) scale[k] = schedule.t0 / (schedule.t0 + k);
  const taken = seconds(() =>
    sgdRows(losses[loss], rows, { read: v, write: v }, { scale, coefficient }, threshold),
  );
  return taken * (slowRows / rows.length);
}

/**
 * Text in memory to a block, beside the C loop's reader (strtoul, strtod) on the whole file.
 * @returns gigabytes a second, one thread.
 */
export async function benchParse({ setName, rounds }) {
  const set = await prepareSet(setName);
  const whole = readFileSync(set.train).subarray(0, textBytes);
  const text = whole.subarray(0, whole.lastIndexOf(10) + 1);
  const arena = new Arena();
  const address = arena.allocate(text.length + 64);
  new Uint8Array(arena.buffer, address, text.length).set(text);
  const range = { address, byteLength: text.length };
  const options = { format: "svmlight", labels: "required", widthLimit: 2 ** 28, badRowsMax: 0 };
  const speed = (parser) => {
    const taken = seconds(() => {
      const { blockAt } = parseChunk(arena, parser, range, options);
      arena.release(blockAt, viewBlock(arena.buffer, blockAt).byteLength);
    });
    return text.length / 1e9 / taken;
  };
  const fast = kernelParser(arena, loadKernels(arena));
  for (let k = 0; k < 5; k++) speed(fast);
  const bytes = readFileSync(set.train).length;
  const turns = Array.from({ length: rounds }, () => {
    const words = [set.train, "hinge", "1e-4", "20000", "1", join(scratch, "kernel")];
    const c = bytes / 1e9 / lastJson(run(epoch(), words)).load;
    return { glissade: Math.max(...Array.from({ length: 5 }, () => speed(fast))), c };
  });
  return {
    glissade: median(turns.map((turn) => turn.glissade)),
    c: median(turns.map((turn) => turn.c)),
    ratio: median(turns.map((turn) => turn.glissade / turn.c)),
    slow: speed(referenceParser(arena)),
  };
}
