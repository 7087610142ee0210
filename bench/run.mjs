#!/usr/bin/env node
/**
 * npm run bench: glissade and its peers side by side. Everything runs in turn, five times, and only
 * ratios of runs in the same turn are compared, as the speed of a shared machine drifts.
 *
 *   npm run bench                  all of it: tables, cells, kernels; some twenty minutes
 *   npm run bench -- --write       and they go to docs/benchmarks.md
 *   npm run bench -- --cells       one part only: --tables, --cells or --kernels; the others as last measured
 *   npm run bench -- --resume      goes on with a run that was stopped: what it had measured stays
 *   npm run bench -- --sets subset,a9a --losses hinge --peers "LIBLINEAR,Snap ML" --rounds 3
 *   npm run bench -- --short       the C loop and the subset only; fails when glissade lost 25 %
 *   npm run bench -- --record      writes the ratios that --short holds, bench/recorded.json
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { scratch } from "./support/measure.mjs";

const { values } = parseArgs({
  options: {
    sets: { type: "string", default: "subset,a9a,ijcnn1,twin" },
    losses: { type: "string", default: "hinge,log" },
    peers: { type: "string" },
    rounds: { type: "string", default: "5" },
    write: { type: "boolean", default: false },
    tables: { type: "boolean", default: false },
    cells: { type: "boolean", default: false },
    kernels: { type: "boolean", default: false },
    resume: { type: "boolean", default: false },
    short: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
  },
});
/** Rounds of a table begin only within so many seconds, after the first two. */
const secondsOf = (setName) => (setName === "twin" ? 150 : 40);
const now = () => new Date().toISOString().slice(0, 16).replace("T", " ");
const resultsPath = join(scratch, "results.json");
const say = (text) => process.stderr.write(`${text}\n`);
if (values.short || values.record) {
  const { recordShort, runShort } = await import("./short.mjs");
  if (values.record) await recordShort(say);
  else if (!(await runShort(say))) process.exitCode = 1;
} else {
  await runAll();
}

async function runAll() {
  const rounds = Number(values.rounds);
  const begun = begin();
  if (wanted("tables")) await measureTables(rounds, begun);
  if (wanted("cells") && !isDone("cells", begun)) {
    const { measureCells } = await import("./cells.mjs");
    keep({ cells: await measureCells({ results: kept().tables ?? [], rounds, say }) }, "cells");
  }
  if (wanted("kernels") && !isDone("kernels", begun)) {
    keep({ kernels: await benchKernels(rounds) }, "kernels");
  }
  const { describeMachine } = await import("./support/machine.mjs");
  keep({ machine: describeMachine(), date: now(), rounds });
  const all = kept();
  if (values.write) (await import("./support/report.mjs")).writePage(all);
  process.stdout.write(`${JSON.stringify(all)}\n`);
}

/** Without naming a part, all of them. */
function wanted(part) {
  const named = values.tables || values.cells || values.kernels;
  return !named || values[part];
}

/** When this run began, or the one it goes on with. */
function begin() {
  const before = kept().begun;
  const begun = values.resume && before ? before : new Date().toISOString();
  keep({ begun });
  return begun;
}

/** Whether a part, or a table, was measured since then. */
function isDone(part, begun) {
  return values.resume && (kept().ended?.[part] ?? "") >= begun;
}

async function measureTables(rounds, begun) {
  const { problems, prepareSet } = await import("./support/data.mjs");
  const { benchTraining } = await import("./train.mjs");
  const names = values.peers ? ["glissade", ...values.peers.split(",")] : null;
  for (const setName of values.sets.split(",")) {
    const { title, optimum } = await prepareSet(setName);
    for (const problemName of values.losses.split(",")) {
      if (optimum[problemName] === undefined) continue;
      const name = nameOf({ setName, problemName });
      if (isDone(name, begun)) continue;
      const seconds = secondsOf(setName);
      const measured = await benchTraining({ setName, problemName, rounds, seconds, names, say });
      const problem = problems[problemName];
      const where = { setName, problemName, title, problem, optimum: optimum[problemName] };
      keepTable({ ...where, ...measured, date: now() }, name);
    }
  }
}

function nameOf({ setName, problemName }) {
  return `${setName} ${problemName}`;
}

/** What was measured so far, by this run and earlier ones. */
function kept() {
  return existsSync(resultsPath) ? JSON.parse(readFileSync(resultsPath, "utf8")) : {};
}

/** Keeps results, and when the part they are of was done; every step is kept as soon as it is there. */
function keep(fresh, part = null) {
  const before = kept();
  const ended =
    part === null ? before.ended : { ...before.ended, [part]: new Date().toISOString() };
  writeFileSync(resultsPath, JSON.stringify({ ...before, ...fresh, ended }));
}

/** Keeps a table in the place of an earlier one, so that one set can be measured again by itself. */
function keepTable(fresh, name) {
  const others = (kept().tables ?? []).filter((table) => nameOf(table) !== name);
  const tables = [...others, fresh].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  keep({ tables }, name);
}

async function benchKernels(rounds) {
  const { benchEpoch, benchParse } = await import("./kernels.mjs");
  const { setNames, problems } = await import("./support/data.mjs");
  const epochs = [];
  const parses = [];
  for (const setName of setNames) {
    for (const problemName of Object.keys(problems)) {
      const title = `${setName}, ${problemName}`;
      epochs.push({ title, ...(await benchEpoch({ setName, problemName, rounds })) });
    }
    parses.push({ title: setName, ...(await benchParse({ setName, rounds: 3 })) });
  }
  return { epochs, parses };
}
