/**
 * The cells that have a target: each is a few interleaved pairs of its own, or a line of the tables
 * of train.mjs. A cell is { name, target, measured, met } in words and numbers that
 * docs/benchmarks.md shows as they are.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { benchEpoch } from "./kernels.mjs";
import { benchPredict } from "./predict.mjs";
import { root } from "./support/cache.mjs";
import { contenders, runGlissade } from "./support/contenders.mjs";
import { prepareSet, problems } from "./support/data.mjs";
import { lastJson, median, run, scratch } from "./support/measure.mjs";
import { epoch } from "./support/programs.mjs";

const fixed = (number, digits = 2) => number.toFixed(digits);
const at01 = 1;
const at001 = 2;

/** The cell of a goal, by the contender's name; undefined where it was not reached or not run. */
function lineOf(results, { setName, problemName, goal }) {
  const entries = results.find(
    (r) => r.setName === setName && r.problemName === problemName,
  )?.entries;
  const lines = (entries ?? []).flatMap(({ name, cells }) =>
    cells[goal] ? [{ name, ...cells[goal] }] : [],
  );
  return { ours: lines.find(({ name }) => name === "glissade"), lines };
}

/** Packages that people install; the C loop is a bar of our own. */
const isPeer = ({ name }) => name !== "glissade" && !name.startsWith("C loop");

function wholeAgainstPeers(results, where, { name, target, enough, only = null }) {
  const { ours, lines } = lineOf(results, where);
  const peers = lines.filter((line) => isPeer(line) && (only === null || line.name === only));
  if (!ours || peers.length === 0) return { name, target, measured: "not reached", met: false };
  const best = peers.reduce((a, b) => (b.ratio < a.ratio ? b : a));
  const theirs = `${best.name} ${fixed(best.whole)} s`;
  const measured = `${fixed(ours.whole)} s, ${theirs}: ${fixed(best.ratio)}x faster`;
  return { name, target, measured, met: best.ratio >= enough };
}

function trainingAgainstPeers(results, where, name) {
  const { ours, lines } = lineOf(results, where);
  const peers = lines.filter((line) => isPeer(line) && line.train !== null);
  if (!ours || peers.length === 0)
    return { name, target: "fastest", measured: "not reached", met: false };
  const best = peers.reduce((a, b) => (b.train < a.train ? b : a));
  const measured = `${fixed(ours.train)} s (${ours.note}), ${best.name} ${fixed(best.train)} s`;
  return { name, target: "fastest", measured, met: ours.train <= best.train };
}

/** Training alone, our settings against the C loop to the same goal, in turn. */
async function trainingAgainstLoop({ name, target, words, limit, rounds }) {
  const set = await prepareSet("twin");
  const loop = [set.trainCsr, "hinge", "1e-4", "20000", "2", join(scratch, "cells")];
  const turns = Array.from({ length: rounds }, () => {
    const ours = runGlissade(set, problems.hinge, words);
    return { ours, loop: lastJson(run(epoch(), loop)).rungs[0].train };
  });
  const failed = turns.find(({ ours }) => !ours.ok);
  if (failed) return { name, target, measured: failed.ours.why, met: false };
  const ratio = median(turns.map(({ ours, loop: c }) => ours.train / c));
  const [a, b] = [median(turns.map(({ ours }) => ours.train)), median(turns.map((t) => t.loop))];
  return {
    name,
    target,
    measured: `${fixed(a, 3)} s, C ${fixed(b, 3)} s: ${fixed(ratio)}x`,
    met: ratio <= limit,
  };
}

/** From the block files that `convert` writes, against the C loop from its CSR file. */
async function fromBlocks(rounds) {
  const name = "twin, block file to model within 0.1 %, whole process";
  const target = "2.5x faster than 1.5 s";
  const set = await prepareSet("twin");
  const blocks = join(scratch, "twin.blocks");
  const cli = join(root, "dist", "cli", "main.js");
  const made = run(process.execPath, [cli, "convert", set.train, "-o", blocks]);
  if (!made.ok) return { name, target, measured: "there is no block file yet", met: false };
  const loop = [set.trainCsr, "hinge", "1e-4", "20000", "2", join(scratch, "cells")];
  const turns = Array.from({ length: rounds }, () => ({
    ours: runGlissade(set, problems.hinge, "--epochs 2", { file: blocks }),
    loop: run(epoch(), loop).seconds,
  }));
  if (!turns[0].ours.ok) return { name, target, measured: turns[0].ours.why, met: false };
  const [a, b] = [median(turns.map(({ ours }) => ours.whole)), median(turns.map((t) => t.loop))];
  return {
    name,
    target,
    measured: `${fixed(a)} s, C loop from CSR ${fixed(b)} s`,
    met: a <= 1.5 / 2.5,
  };
}

/** No flag but the file: regularisation is chosen, rows are kept for validation. */
async function withDefaults(setName, rounds) {
  const set = await prepareSet(setName);
  const peer = contenders.find(({ name }) => name === "LIBLINEAR");
  const cli = join(root, "dist", "cli", "main.js");
  const words = [
    "train",
    set.train,
    "--cache",
    "off",
    "--model",
    join(scratch, "defaults.safetensors"),
    "--json",
  ];
  const turns = Array.from({ length: rounds }, () => ({
    ours: run(process.execPath, [cli, ...words]).seconds,
    theirs: peer.runRungs(set, problems.hinge, ["3:0.1"])[0].whole,
  }));
  const [a, b] = [median(turns.map(({ ours }) => ours)), median(turns.map(({ theirs }) => theirs))];
  return {
    name: `${setName}, whole process with defaults`,
    target: "under 0.4 s",
    measured: `${fixed(a)} s (LIBLINEAR at a given C ${fixed(b)} s)`,
    met: a < 0.4,
  };
}

async function memoryOfTwin(rounds) {
  const set = await prepareSet("twin");
  const csr = statSync(set.trainCsr).size / 2 ** 20;
  const peak = (words) =>
    median(
      Array.from({ length: rounds }, () => runGlissade(set, problems.hinge, words)).map((result) =>
        result.ok ? result.megabytes : Number.NaN,
      ),
    );
  const [free, bounded] = [peak("--epochs 2"), peak("--epochs 2 --memory 256MiB")];
  const ratio = free / csr;
  return [
    {
      name: "twin, peak memory",
      target: "at most 1.4x the CSR size",
      measured: `${fixed(free, 0)} MiB, CSR ${fixed(csr, 0)} MiB: ${fixed(ratio)}x`,
      met: ratio <= 1.4,
    },
    {
      name: "twin, peak memory with --memory 256MiB",
      target: "under 400 MB",
      measured: `${fixed(bounded, 0)} MiB`,
      met: bounded * 1.048576 < 400,
    },
  ];
}

/** All cells; `results` are the tables of train.mjs. */
export async function measureCells({ results, rounds, say }) {
  const cells = [];
  const add = (cell) => {
    cells.push(cell);
    say(`${cell.met ? "met   " : "MISSED"} ${cell.name}: ${cell.measured} (target ${cell.target})`);
  };
  const twin = { setName: "twin", problemName: "hinge" };
  const text = "text to model within 0.1 %, whole process";
  const four = { name: `twin, ${text}`, target: "4x faster than the fastest peer", enough: 4 };
  add(wholeAgainstPeers(results, { ...twin, goal: at01 }, four));
  add(await fromBlocks(3));
  const alone = "twin, training alone to 0.1 %";
  for (const [workers, words, limit] of [
    ["one worker", "--strategy serial --epochs 2", 1.1],
    ["two workers", "--strategy replicas --workers 2 --epochs 2", 0.65],
  ]) {
    const name = `${alone}, ${workers}`;
    const target = `at most ${limit}x the C loop`;
    add(await trainingAgainstLoop({ name, target, words, limit, rounds }));
  }
  add(trainingAgainstPeers(results, { ...twin, goal: at001 }, "twin, training to 0.01 %, hinge"));
  const log = { setName: "twin", problemName: "log", goal: at01 };
  add(trainingAgainstPeers(results, log, "twin, training to 0.1 %, log loss"));
  const subset = { setName: "subset", problemName: "hinge", goal: at01 };
  const one = {
    name: `subset, ${text}`,
    target: "at most 1x LIBLINEAR",
    enough: 1,
    only: "LIBLINEAR",
  };
  add(wholeAgainstPeers(results, subset, one));
  add(await withDefaults("a9a", rounds));
  add(await withDefaults("ijcnn1", rounds));
  for (const cell of await memoryOfTwin(3)) add(cell);
  const { megabytesASecond } = await benchPredict({ setName: "twin", rounds: 3 });
  add({
    name: "predict, twin",
    target: "400 MB/s of text",
    measured: `${fixed(megabytesASecond, 0)} MB/s`,
    met: megabytesASecond >= 400,
  });
  const { glissade, c, ratio } = await benchEpoch({
    setName: "twin",
    problemName: "hinge",
    rounds,
  });
  add({
    name: "twin, one epoch of the kernel",
    target: "at most 1.3x the C loop",
    measured: `${fixed(glissade, 3)} s, C ${fixed(c, 3)} s: ${fixed(ratio)}x`,
    met: ratio <= 1.3,
  });
  const { ours } = lineOf(results, subset);
  const whole = ours?.whole ?? Number.POSITIVE_INFINITY;
  const name = "subset, text to model, whole process";
  add({ name, target: "under 1 s", measured: `${fixed(whole)} s`, met: whole < 1 });
  return cells;
}
