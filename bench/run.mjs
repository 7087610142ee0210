#!/usr/bin/env node
/**
 * npm run bench: glissade and its peers side by side. Everything runs in turn, five times, and only ratios of runs in
 * the same turn are compared, as the speed of a shared machine drifts.
 *
 *   npm run bench -- [--sets subset,a9a,ijcnn1,twin] [--losses hinge,log] [--peers "LIBLINEAR,..."] [--rounds 5]
 *   npm run bench -- --short        the C loop and the subset only; fails when glissade lost 25 %
 */
import { parseArgs } from "node:util";
import { setNames } from "./support/data.mjs";
import { benchTraining } from "./train.mjs";

const { values } = parseArgs({
  options: {
    sets: { type: "string", default: setNames.join(",") },
    losses: { type: "string", default: "hinge,log" },
    peers: { type: "string" },
    rounds: { type: "string", default: "5" },
  },
});
const say = (text) => process.stderr.write(`${text}\n`);
const results = [];
for (const setName of values.sets.split(",")) {
  for (const problemName of values.losses.split(",")) {
    if (problemName === "log" && setName !== "subset" && setName !== "twin") continue;
    const names = values.peers ? ["glissade", ...values.peers.split(",")] : null;
    const options = { setName, problemName, rounds: Number(values.rounds), names, say };
    results.push({ setName, problemName, entries: await benchTraining(options) });
  }
}
process.stdout.write(`${JSON.stringify(results, null, 1)}\n`);
