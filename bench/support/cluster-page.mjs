/** The table of docs/benchmarks.md about the cluster: parts that were taken anew replace their own rows only. */
import { readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { root } from "./cache.mjs";

const page = join(root, "docs", "benchmarks.md");
const begin = "<!-- measured: npm run bench:cluster -- --write -->";
const end = "<!-- end of what bench:cluster measured -->";
const head = ["| part | what | target | found | | taken |", "|---|---|---|---|---|---|"];

/** @param results of each part, in the order of the table. */
export function writeClusterPage(results, at = takenAt()) {
  const text = readFileSync(page, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no marks to write between`);
  const rows = text
    .slice(from, to)
    .split("\n")
    .filter((line) => /^\| [a-z]+ \|/.test(line) && !line.startsWith("| part |"));
  const rest = rows.filter((line) => !results.has(partOf(line)));
  const fresh = [...results].flatMap(([part, found]) => found.map((one) => rowOf(part, one, at)));
  const order = [...new Set([...rows, ...fresh].map(partOf))];
  const sorted = [...rest, ...fresh].sort(
    (a, b) => order.indexOf(partOf(a)) - order.indexOf(partOf(b)),
  );
  const table = [begin, "", ...head, ...sorted, "", ""].join("\n");
  writeFileSync(page, `${text.slice(0, from)}${table}${text.slice(to)}`);
}

function partOf(line) {
  return line.split("|")[1].trim();
}

function rowOf(part, { what, target, found, met }, at) {
  return `| ${part} | ${what} | ${target} | ${found} | ${met ? "met" : "**missed**"} | ${at} |`;
}

function takenAt() {
  return `${new Date().toISOString().slice(0, 16).replace("T", " ")}, load ${loadavg()[1].toFixed(0)}`;
}
