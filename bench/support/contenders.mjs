/**
 * Who runs in the bench. Each contender has a ladder of settings for a problem, from quick to
 * exact, and runs some of its rungs: text to weights, seconds and memory of the whole process,
 * weights for the evaluator.
 */
import { join } from "node:path";
import { root } from "./cache.mjs";
import { readModelWeights, readRawWeights, readWabbitWeights } from "./judge.mjs";
import { lastJson, run, scratch } from "./measure.mjs";
import { epoch, liblinear, peerScript, python } from "./programs.mjs";

const cli = join(root, "dist", "cli", "main.js");

/** Runs glissade's command line on text; the settings are words as a person types them. */
export function runGlissade(set, { loss, l2 }, words, { file = set.train } = {}) {
  const model = join(scratch, "glissade.safetensors");
  const settings = ["--validation", "0", "--loss", loss, "--l2", String(l2), "--model", model];
  // Text is read as text, even where blocks of it were kept.
  settings.push("--cache", "off");
  const extra = words.split(" ").filter((word) => word !== "");
  const measured = run(process.execPath, [cli, "train", file, ...settings, ...extra, "--json"]);
  if (!measured.ok) return { ok: false, why: measured.stderr.trim().split("\n").at(-1) };
  const { seconds, solver, workers, epochs } = lastJson(measured);
  return {
    ok: true,
    whole: measured.seconds,
    megabytes: measured.megabytes,
    load: seconds.load,
    train: seconds.train,
    judging: seconds.evaluate,
    note: `${solver}, ${workers} worker${workers > 1 ? "s" : ""}, ${epochs} epochs`,
    weights: readModelWeights(model, set.width),
  };
}

const glissade = {
  name: "glissade",
  ladder: (set, { loss }) => [
    "",
    "--stop gap:1%",
    "--stop gap:0.1%",
    "--stop gap:0.01%",
    ...["1", "2", "3", "5"].map((epochs) => `--epochs ${epochs}`),
    // Dual ascent by passes, without a proof on the way; one worker beside the default's.
    ...(loss === "log" ? ["3", "4"] : []).map((epochs) => `--solver sdca --epochs ${epochs}`),
    ...(set.name === "twin" ? ["2", "5"].map((epochs) => `--workers 1 --epochs ${epochs}`) : []),
  ],
  runRungs: (set, problem, rungs) => rungs.map((rung) => runGlissade(set, problem, rung)),
};

/**
 * A program that loads once and trains for every rung: the others' training is no part of a rung's
 * time.
 */
function sharedLoad(measured, out, width) {
  if (!measured.ok) return [{ ok: false, why: measured.stderr.trim().split("\n").at(-1) }];
  const { load, rungs, shared } = lastJson(measured);
  const trained = rungs.map(({ train }) => train);
  // The epoch program goes on from rung to rung, the others start anew.
  const all = shared ? Math.max(...trained) : trained.reduce((sum, train) => sum + train, 0);
  return trained.map((train, k) => ({
    ok: true,
    whole: measured.seconds - all + train,
    megabytes: measured.megabytes,
    load,
    train,
    weights: readRawWeights(`${out}.${k}`, width),
  }));
}

/** First rates that suit rows of unit norm, and rows of some dozen dense values. */
function ratesOf(set, loss) {
  if (loss === "log") return [2.5e5, 1e6, 4e6];
  return set.width < 1000 ? [1e5, 1e6, 1e7] : [5e3, 2e4, 8e4];
}

const ladderOf = (set, loss) =>
  set.name === "twin" && loss === "hinge" ? [1, 2, 3, 5, 8] : [1, 2, 5, 10, 20, 50];

/**
 * The C loop, from text or from rows already in CSR form; t0 is part of a rung, as it has no
 * calibration.
 */
function cLoop(name, fileOf) {
  return {
    name,
    ladder: (set, { loss }) =>
      ratesOf(set, loss).flatMap((t0) =>
        ladderOf(set, loss).map((epochs) => `t0=${t0} epochs=${epochs}`),
      ),
    runRungs: (set, { loss, l2 }, rungs) => {
      const results = new Map();
      // One process a first rate: it reads once and goes on from rung to rung.
      for (const [t0, some] of groupByRate(rungs)) {
        const epochs = some.map((rung) => rung.match(/epochs=(\S+)/)[1]).join(",");
        const out = join(scratch, "epoch");
        const words = [fileOf(set), loss, l2, t0, epochs, out].map(String);
        const lines = sharedLoad(run(epoch(), words), out, set.width);
        for (const [k, rung] of some.entries()) results.set(rung, lines[k] ?? lines[0]);
      }
      return rungs.map((rung) => results.get(rung));
    },
  };
}

/** Rungs by their t0, epochs ascending. */
function groupByRate(rungs) {
  const epochsOf = (rung) => Number(rung.match(/epochs=(\S+)/)[1]);
  const groups = new Map();
  for (const rung of rungs) {
    const t0 = rung.match(/t0=(\S+)/)[1];
    groups.set(
      t0,
      [...(groups.get(t0) ?? []), rung].sort((a, b) => epochsOf(a) - epochsOf(b)),
    );
  }
  return groups;
}

const libLinear = {
  name: "LIBLINEAR",
  // Solver 3 is the dual of hinge; 7 and 0 are the dual and the primal of log loss.
  ladder: (set, { loss }) =>
    set.name === "twin" && loss === "log"
      ? ["0:0.01", "0:0.001"]
      : loss === "hinge"
        ? ["3:1", "3:0.1", "3:0.01", "3:0.001"]
        : ["7:1", "7:0.1", "7:0.01", "0:0.01", "0:0.001"],
  runRungs: (set, { l2 }, rungs) => {
    const out = join(scratch, "liblinear");
    const measured = run(liblinear(), [set.train, String(l2), rungs.join(","), out]);
    return sharedLoad(measured, out, set.width);
  },
};

function pythonPeer(name, environment, script, ladder) {
  return {
    name,
    ladder,
    runRungs: (set, { loss, l2 }, rungs) => {
      const out = join(scratch, environment);
      const words = [loss, l2, set.rows, set.width, rungs.join(","), out].map(String);
      const measured = run(python(environment), [peerScript(script), set.train, ...words]);
      return sharedLoad(measured, out, set.width);
    },
  };
}

const scikit = pythonPeer("scikit-learn", "scikit", "scikit.py", (set) =>
  set.name === "twin" ? ["1", "2", "5"] : ["1", "5", "20", "100"],
);
const snap = pythonPeer("Snap ML", "snap", "snap.py", (set) =>
  set.name === "twin" ? ["2", "4", "8", "16"] : ["2", "5", "10", "20", "40"],
);

/**
 * Vowpal Wabbit with plain steps 1/(l2*(t0 + t)): rate = 1/(l2*t0). It regularises only when it
 * steps, so its --l2 is l2 over the share of rows that make it step.
 */
const wabbit = {
  name: "Vowpal Wabbit",
  ladder: (set, { loss }) =>
    // On the twin each pass takes seconds: the middle rate is known to be the best of the three.
    ratesOf(set, loss)
      .slice(1, set.name === "twin" ? 2 : 3)
      .flatMap((t0) =>
        (set.name === "twin" ? [1, 2, 5] : ladderOf(set, loss).slice(0, 5)).map(
          (passes) => `t0=${t0} passes=${passes}`,
        ),
      ),
  runRungs: (set, { loss, l2 }, rungs) =>
    rungs.map((rung) => {
      const [, t0, passes] = rung.match(/t0=(\S+) passes=(\S+)/);
      const [model, text, cache] = ["vw.model", "vw.txt", "vw.cache"].map((n) => join(scratch, n));
      const share = loss === "hinge" ? set.violators : 1;
      const measured = run(python("wabbit"), [
        ...[
          "-m",
          "vowpalwabbit",
          "-d",
          set.wabbit,
          "--quiet",
          "--noconstant",
          "--holdout_off",
          "-b",
          "16",
        ],
        ...["--loss_function", loss === "log" ? "logistic" : "hinge", "--sgd", "--power_t", "1"],
        ...["--initial_t", t0, "-l", String(1 / (l2 * Number(t0))), "--l2", String(l2 / share)],
        ...["--passes", passes, "-f", model],
        ...(passes === "1" ? [] : ["-c", "-k", "--cache_file", cache]),
      ]);
      if (!measured.ok) return { ok: false, why: measured.stderr.trim().split("\n").at(-1) };
      const print = ["-m", "vowpalwabbit", "-i", model, "-t", "--quiet", "--readable_model", text];
      if (!run(python("wabbit"), [...print, "-d", "/dev/null"]).ok)
        return { ok: false, why: "no model" };
      const { seconds: whole, megabytes } = measured;
      // It learns while it reads: the two cannot be told apart.
      const weights = readWabbitWeights(text, set.width);
      return { ok: true, whole, megabytes, load: null, train: null, weights };
    }),
};

export const contenders = [
  glissade,
  cLoop("C loop (text)", (set) => set.train),
  cLoop("C loop (CSR file)", (set) => set.trainCsr),
  libLinear,
  wabbit,
  snap,
  scikit,
];
