#!/usr/bin/env node
/**
 * Chaos: runs strategies on real processes, again and again, and hurts them at random moments: kill -9, SIGTERM,
 * SIGSTOP for a while or for ever, new processes for lost ones, connections that are cut or slow, networks that
 * fall apart, dead servers, and coordinators that are killed and taken up again. After each run its ledger must
 * close, or its loss be that of an undisturbed run, and no process, port or file may be left.
 *
 *     npm run chaos -- --minutes 2 --seed 1 [--strategies asp,bsp] [--harms kill,rejoin] [--works count] [--runs 200]
 *     npm run chaos -- --seeds 3,9,14
 *     npm run chaos -- --minutes 60 --seed 20000 --report chaos.md
 *
 * `--report` is written anew after each run. `--together 2` plays two at a time. Whatever becomes of a run the
 * next one begins; broken ones keep their folders, with `--keep` all do.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { harms } from "./support/chaos-harms.mjs";
import { beginReport, brokenIn, markdownOf, record } from "./support/chaos-report.mjs";
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
    together: { type: "string", default: "1" },
    patience: { type: "string", default: "60" },
    report: { type: "string" },
    undisturbed: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const lists = {
  strategies: given.strategies.split(","),
  harms: given.harms.split(","),
  works: given.works.split(","),
};
const report = beginReport();
/** What came of undisturbed runs, or will, by strategy. */
const undisturbed = new Map();
/** Folders of runs under way. */
const open = new Set();
// What ends us ends the processes of the run under way too.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => finish(1));
/** What nobody waits for any more, as an answer that comes after its run, must not end an hour; but it is told. */
let stray = null;
for (const kind of ["uncaughtException", "unhandledRejection"]) {
  process.on(kind, (error) => {
    stray ??= `chaos itself: ${error?.stack ?? error}`;
  });
}
const until = Date.now() + 60_000 * Number(given.minutes);
const seeds = seedsOf(given);
await Promise.all(Array.from({ length: Number(given.together) }, playSome));
finish(brokenIn(report) > 0 ? 1 : 0);

/** Plays one story after the other; many may do so at a time, as most of a run is waiting for a harm's end. */
async function playSome() {
  for (;;) {
    const { value: seed, done } = seeds.next();
    if (done || Date.now() > until) return;
    const story = drawStory(seed, lists);
    if (given.undisturbed) story.acts.length = 0;
    await playAndTell(story);
  }
}

async function playAndTell(story) {
  const began = performance.now();
  const outcome = await play(story).catch(({ stack }) => ({ wrong: stack }));
  const { wrong = null, folder, share, phases = "" } = outcome;
  const seconds = (performance.now() - began) / 1000;
  record(report, story, { wrong, folder, share, seconds });
  if (given.report) writeFileSync(given.report, markdownOf(report));
  const verdict = wrong === null ? "ok    " : "broken";
  const loss = share === undefined ? "" : `, loss ${percent(share)}`;
  say(`${verdict} ${storyLine(story)} (${seconds.toFixed(1)} s${phases})${loss}`);
  if (wrong === null) return;
  say(`       ${wrong}`);
  say(`       logs: ${folder}`);
  const { strategies: names, harms: hurts, works: kinds } = given;
  say(
    `       replay: npm run chaos -- --seeds ${story.seed} --strategies ${names} --harms ${hurts} --works ${kinds}`,
  );
}

/** Plays a story in a folder of its own, which stays when something is wrong. */
async function play(story) {
  const folder = mkdtempSync(join(tmpdir(), `glissade-chaos-${story.seed}-`));
  open.add(folder);
  const outcome = await playStory(story, { folder, patience: Number(given.patience) }).catch(
    ({ stack }) => ({ wrong: stack }),
  );
  const { loss, phases } = outcome;
  let { wrong = null } = outcome;
  let share;
  wrong ??= stray;
  stray = null;
  if (wrong === null && loss !== undefined) ({ wrong, share } = await compare(story, loss));
  open.delete(folder);
  if (wrong === null && !given.keep) rmSync(folder, { recursive: true });
  return { wrong, folder, share, phases };
}

/** Holds a loss to that of a run of the same settings in which nothing happens, which is played once. */
async function compare(story, loss) {
  const { name } = story;
  if (!undisturbed.has(name)) undisturbed.set(name, playUndisturbed({ ...story, acts: [] }));
  const { wrong, loss: own } = await undisturbed.get(name);
  // Another may come out well.
  if (wrong) undisturbed.delete(name);
  return wrong ? { wrong } : lossFault(loss, own);
}

async function playUndisturbed(story) {
  const folder = mkdtempSync(join(tmpdir(), `glissade-chaos-undisturbed-`));
  open.add(folder);
  const { wrong, loss } = await playStory(story, {
    folder,
    patience: Number(given.patience),
  }).catch(({ stack }) => ({ wrong: stack }));
  open.delete(folder);
  if (wrong) return { wrong: `undisturbed: ${wrong} (logs: ${folder})` };
  rmSync(folder, { recursive: true });
  say(`       undisturbed loss of ${story.name}: ${loss}`);
  return { wrong: null, loss };
}

/** Says what came of all, and ends: a connection of a broken run may still be open, and nothing is waited for. */
function finish(code) {
  const page = markdownOf(report);
  if (given.report) writeFileSync(given.report, page);
  say(`\n${page}`);
  // After the processes that write there, which end as we exit.
  process.once("exit", () => {
    for (const folder of open) rmSync(folder, { recursive: true, force: true });
  });
  process.exit(code);
}

function* seedsOf({ seed, seeds, runs: most }) {
  if (seeds) return yield* seeds.split(",").map(Number);
  for (let k = 0; k < Number(most); k++) yield Number(seed) + k;
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
