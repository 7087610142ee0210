/** The tables of docs/benchmarks.md, from the results of a run. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./cache.mjs";
import { kernelTable } from "./kernel-table.mjs";

const page = join(root, "docs", "benchmarks.md");
const begin = "<!-- measured: npm run bench -- --write -->";
const end = "<!-- end of measured -->";

const number = (value, digits) =>
  value === null || value === undefined ? "-" : value.toFixed(digits);

/** 0.2345 -> "23.5", with as many digits as a small share needs. */
function percent(share) {
  const value = 100 * share;
  return value >= 10 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(4);
}

function goalCell(cell) {
  if (cell === null) return "-";
  const ratio = cell.ratio === null ? "" : ` (${cell.ratio.toFixed(2)}x)`;
  return `${cell.whole.toFixed(2)}${ratio}`;
}

function row(cells) {
  return `| ${cells.join(" | ")} |`;
}

const columns = [
  "program",
  "settings",
  "load s",
  "train s",
  "whole s",
  "peak MiB",
  "% above P*",
  "test accuracy %",
  "to 1 % s",
  "to 0.1 % s",
  "to 0.01 % s",
];

function trainingTable({ title, problem, optimum, entries, rounds, date }) {
  const lines = entries.map((entry) =>
    row([
      entry.name,
      `\`${entry.rung || "(none)"}\`${entry.note ? ` ${entry.note}` : ""}`,
      number(entry.load, 2),
      number(entry.train, 3),
      number(entry.whole, 2),
      number(entry.megabytes, 0),
      percent(entry.above),
      (100 * entry.accuracy).toFixed(2),
      ...entry.cells.map(goalCell),
    ]),
  );
  return [
    `### ${title}, ${problem.loss} loss, l2 ${problem.l2}, P* = ${optimum}`,
    "",
    `${rounds} rounds, ${date}.`,
    "",
    row(columns),
    row(columns.map(() => "---")),
    ...lines,
    "",
  ].join("\n");
}

function cellTable(cells) {
  return [
    row(["cell", "target", "measured", ""]),
    row(["---", "---", "---", "---"]),
    ...cells.map(({ name, target, measured, met }) =>
      row([name, target, measured, met ? "met" : "**missed**"]),
    ),
    "",
  ].join("\n");
}

/**
 * Puts the tables between the page's two marks; all other text of the page is written by people.
 */
export function writePage({ machine, date, rounds, tables = [], cells = [], kernels = null }) {
  const text = readFileSync(page, "utf8");
  const [before, after] = [text.indexOf(begin), text.indexOf(end)];
  if (before < 0 || after < 0) throw new Error(`${page} has no marks to write between`);
  const measured = [
    begin,
    "",
    `Measured ${date}, ${rounds} rounds, on: ${machine}.`,
    "",
    "### Cells with a target",
    "",
    cellTable(cells),
    ...(kernels === null ? [] : [kernelTable(kernels)]),
    ...tables.map(trainingTable),
  ].join("\n");
  writeFileSync(page, `${text.slice(0, before)}${measured}${text.slice(after)}`);
}
