/**
 * The short form for continuous integration: glissade against the C loop on the subset, as ratios of
 * interleaved pairs, held against bench/recorded.json. A ratio that is over 25 % worse than recorded
 * is measured twice more before it fails, as other work on the machine can spoil a measurement.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { benchEpoch, benchParse } from "./kernels.mjs";
import { root } from "./support/cache.mjs";
import { runGlissade } from "./support/contenders.mjs";
import { prepareSet, problems } from "./support/data.mjs";
import { describeMachine } from "./support/machine.mjs";
import { median, run, scratch } from "./support/measure.mjs";
import { epoch } from "./support/programs.mjs";

const recordedPath = join(root, "bench", "recorded.json");
const lossMax = 1.25;
const triesMax = 3;
const rounds = 7;

/** Each gives glissade's time over the C loop's: smaller is better. */
const measures = {
  "one epoch, hinge": async () =>
    (await benchEpoch({ setName: "subset", problemName: "hinge", rounds })).ratio,
  "one epoch, log": async () =>
    (await benchEpoch({ setName: "subset", problemName: "log", rounds })).ratio,
  parse: async () => 1 / (await benchParse({ setName: "subset", rounds })).ratio,
  "text to model, whole process": wholeProcess,
};

/** Text to model in five epochs, against the C loop with its own reader. */
async function wholeProcess() {
  const set = await prepareSet("subset");
  const words = [set.train, "hinge", "1e-4", "20000", "5", join(scratch, "short")];
  const ratios = Array.from({ length: rounds }, () => {
    const ours = runGlissade(set, problems.hinge, "--epochs 5");
    if (!ours.ok) throw new Error(ours.why);
    return ours.whole / run(epoch(), words).seconds;
  });
  return median(ratios);
}

/** @returns whether nothing got lost. */
export async function runShort(say) {
  const { ratios } = JSON.parse(readFileSync(recordedPath, "utf8"));
  let good = true;
  for (const [name, measure] of Object.entries(measures)) {
    const limit = lossMax * ratios[name];
    let ratio = await measure();
    for (let more = 0; more < triesMax - 1 && ratio > limit; more++) {
      ratio = Math.min(ratio, await measure());
    }
    const fine = ratio <= limit;
    good &&= fine;
    const verdict = fine ? "ok" : "LOST over 25 %";
    say(`${name}: ${ratio.toFixed(2)} of the C loop, recorded ${ratios[name]}: ${verdict}`);
  }
  return good;
}

/** Writes the ratios of this machine as the ones to hold. */
export async function recordShort(say) {
  const ratios = {};
  for (const [name, measure] of Object.entries(measures)) {
    ratios[name] = Number((await measure()).toFixed(3));
    say(`${name}: ${ratios[name]} of the C loop`);
  }
  const date = new Date().toISOString().slice(0, 10);
  const record = { date, machine: describeMachine(), ratios };
  writeFileSync(recordedPath, `${JSON.stringify(record, null, 2)}\n`);
}
