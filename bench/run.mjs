#!/usr/bin/env node
/**
 * npm run bench: glissade and its peers side by side. Everything runs in turn, five times, and only
 * ratios of runs in the same turn are compared, as the speed of a shared machine drifts.
 *
 *   npm run bench                  all of it, half an hour
 *   npm run bench -- --write       and the tables go to docs/benchmarks.md
 *   npm run bench -- --sets subset,a9a --losses hinge --peers "LIBLINEAR,Snap ML" --rounds 5
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
    short: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
  },
});
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
  const { problems, prepareSet } = await import("./support/data.mjs");
  const { benchTraining } = await import("./train.mjs");
  const rounds = Number(values.rounds);
  const names = values.peers ? ["glissade", ...values.peers.split(",")] : null;
  const results = [];
  for (const setName of values.sets.split(",")) {
    const { title, optimum } = await prepareSet(setName);
    for (const problemName of values.losses.split(",")) {
      if (optimum[problemName] === undefined) continue;
      const options = { setName, problemName, rounds, names, say };
      const entries = await benchTraining(options);
      const problem = problems[problemName];
      const where = { setName, problemName, title, problem, optimum: optimum[problemName] };
      const when = new Date().toISOString().slice(0, 16).replace("T", " ");
      results.push({ ...where, entries, rounds, date: when });
      keepTables(results);
    }
  }
  const tables = keepTables(results);
  const { measureCells } = await import("./cells.mjs");
  const cells = await measureCells({ results: tables, rounds, say });
  const kernels = await benchKernels(rounds);
  const { describeMachine } = await import("./support/machine.mjs");
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  const all = { machine: describeMachine(), date, rounds, tables, cells, kernels };
  writeFileSync(resultsPath, JSON.stringify(all));
  if (values.write) (await import("./support/report.mjs")).writePage(all);
  process.stdout.write(`${JSON.stringify(all)}\n`);
}

/** Keeps tables with those of earlier runs, so that one set can be measured again by itself. */
function keepTables(fresh) {
  const nameOf = ({ setName, problemName }) => `${setName} ${problemName}`;
  const names = new Set(fresh.map(nameOf));
  const file = existsSync(resultsPath) ? JSON.parse(readFileSync(resultsPath, "utf8")) : {};
  const tables = [...fresh, ...(file.tables ?? []).filter((table) => !names.has(nameOf(table)))];
  tables.sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  writeFileSync(resultsPath, JSON.stringify({ ...file, tables }));
  return tables;
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
