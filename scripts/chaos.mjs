#!/usr/bin/env node
/**
 * Chaos: runs strategies on real processes, again and again, and hurts them at random moments: kill -9, SIGTERM,
 * SIGSTOP for a while or for ever, new processes for lost ones, connections that are cut, slow or dead, dead
 * servers, and coordinators that are killed and taken up again. After each run its ledger must close, or its
 * loss be that of an undisturbed run, and no process, port or file may be left.
 *
 *     npm run chaos -- --minutes 2 --seed 1 [--strategies asp,bsp] [--harms kill,rejoin] [--works count] [--runs 200]
 *     npm run chaos -- --seeds 3,9,14
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { harms } from "./support/chaos-harms.mjs";
import { lossFault, percent, playStory } from "./support/chaos-run.mjs";
import { drawStory, storyLine, strategies, works } from "./support/chaos-story.mjs";

const { values: given } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
    seeds: { type: "string" },
    runs: { type: "string", default: "1000000" },
    strategies: { type: "string", default: Object.keys(strategies).join() },
    harms: { type: "string", default: Object.keys(harms).join() },
    works: { type: "string", default: works.join() },
    patience: { type: "string", default: "60" },
    undisturbed: { type: "boolean", default: false },
  },
});
// What ends us ends the processes of the run under way too.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
const lists = {
  strategies: given.strategies.split(","),
  harms: given.harms.split(","),
  works: given.works.split(","),
};
const until = Date.now() + 60_000 * Number(given.minutes);
const tallies = new Map();
const undisturbed = new Map();
const shares = new Map();
let runs = 0;
let failures = 0;
for (const seed of seedsOf(given)) {
  if (Date.now() > until) break;
  const story = drawStory(seed, lists);
  if (given.undisturbed) story.acts.length = 0;
  runs++;
  const { wrong, seconds, note } = await play(story);
  if (wrong !== null) failures++;
  const played = story.acts.filter((act) => act.played).map(({ harm }) => `  ${harm}`);
  for (const name of [story.name, ...played]) {
    const tally = tallies.get(name) ?? { runs: 0, broken: 0 };
    tally.runs++;
    if (wrong !== null) tally.broken++;
    tallies.set(name, tally);
  }
  const verdict = wrong === null ? "ok    " : "broken";
  say(`${verdict} ${storyLine(story)} (${seconds.toFixed(1)} s)${note}`);
  if (wrong === null) continue;
  say(`       ${wrong.message}`);
  say(`       logs: ${wrong.folder}`);
  const { strategies: names, harms: hurts, works: kinds } = given;
  say(
    `       replay: npm run chaos -- --runs 1 --seed ${seed} --strategies ${names} --harms ${hurts} --works ${kinds}`,
  );
}
for (const [name, tally] of [...tallies].sort()) {
  const apart = shares.get(name) ?? [];
  const most =
    apart.length > 0
      ? `, losses ${percent(Math.min(...apart))} to ${percent(Math.max(...apart))}`
      : "";
  say(`${name.padEnd(18)} ${tally.runs} runs, ${tally.broken} broken${most}`);
}
say(`${runs} runs, ${failures} broken`);
// A connection of a broken run may still be open; nothing is waited for any more.
process.exit(failures > 0 ? 1 : 0);

/** Plays a story in a folder of its own, which stays when something is wrong. */
async function play(story) {
  const began = performance.now();
  const folder = mkdtempSync(join(tmpdir(), `glissade-chaos-${story.seed}-`));
  const { wrong = null, loss } = await playStory(story, {
    folder,
    patience: Number(given.patience),
  }).catch(({ stack }) => ({ wrong: stack }));
  const seconds = (performance.now() - began) / 1000;
  if (wrong !== null) return { wrong: { message: wrong, folder }, seconds, note: "" };
  const compared = loss === undefined ? { wrong: null } : await compare(story, loss);
  if (compared.wrong) return { wrong: { message: compared.wrong, folder }, seconds, note: "" };
  rmSync(folder, { recursive: true });
  return {
    wrong: null,
    seconds,
    note: compared.share === undefined ? "" : `, loss ${percent(compared.share)}`,
  };
}

/** Holds a loss to that of a run of the same settings in which nothing happens, which is played once. */
async function compare(story, loss) {
  const { name } = story;
  if (!undisturbed.has(name)) {
    const quiet = { ...story, acts: [] };
    const folder = mkdtempSync(join(tmpdir(), `glissade-chaos-undisturbed-`));
    const own = await playStory(quiet, { folder, patience: Number(given.patience) });
    if (own.wrong) return { wrong: `undisturbed: ${own.wrong} (logs: ${folder})` };
    rmSync(folder, { recursive: true });
    undisturbed.set(name, own.loss);
    say(`       undisturbed loss of ${name}: ${own.loss}`);
  }
  const { share, wrong } = lossFault(loss, undisturbed.get(name));
  if (!shares.has(name)) shares.set(name, []);
  shares.get(name).push(share);
  return { share, wrong };
}

function* seedsOf({ seed, seeds, runs: most }) {
  if (seeds) return yield* seeds.split(",").map(Number);
  for (let k = 0; k < Number(most); k++) yield Number(seed) + k;
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
