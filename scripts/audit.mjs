#!/usr/bin/env node
/**
 * Known faults of what glissade depends on: asks the registry (`npm audit`) and fails for any that is high or
 * critical. Where the registry answers no such questions it says so (exit code 2), and looks at what is
 * known here: versions below which a package must not be.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Faults that were published, and the first version without them. */
const floors = {
  // Crashes by malformed requests, before 1.14.4.
  "@grpc/grpc-js": "1.14.4",
  // Prototype pollution, before 7.2.5.
  protobufjs: "7.2.5",
  // An exception that nobody expects, by malformed documents, before 2.2.2.
  yaml: "2.2.2",
};

const root = new URL("..", import.meta.url).pathname;
const { packages } = JSON.parse(readFileSync(`${root}package-lock.json`, "utf8"));
const old = Object.entries(packages).flatMap(([path, { version }]) => {
  const name = path.slice(path.lastIndexOf("node_modules/") + 13);
  const floor = Object.hasOwn(floors, name) ? floors[name] : undefined;
  return floor && compare(version, floor) < 0 ? [`${name} ${version}: must be ${floor}`] : [];
});
for (const line of old) console.log(line);

const asked = spawnSync("npm", ["audit", "--json", "--audit-level=high"], {
  cwd: root,
  encoding: "utf8",
});
const answer = parse(asked.stdout);
const found = answer?.metadata?.vulnerabilities;
if (!found) {
  const why = answer?.message ?? asked.stderr.trim().split("\n").at(-1);
  console.log(`npm audit got no answer from the registry: ${why}`);
  console.log(`known floors: ${old.length === 0 ? "all kept" : "not kept"}`);
  process.exitCode = old.length > 0 ? 1 : 2;
} else {
  console.log(`npm audit: ${found.critical} critical, ${found.high} high, ${found.total} in all`);
  process.exitCode = old.length + found.critical + found.high > 0 ? 1 : 0;
}

function compare(a, b) {
  const [x, y] = [a, b].map((version) => version.split(/[.-]/).map(Number));
  for (let k = 0; k < 3; k++) if (x[k] !== y[k]) return x[k] - y[k];
  return 0;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
