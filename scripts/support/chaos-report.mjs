/** What came of many runs of chaos: lines for people who wait, and a page in Markdown for `docs/reliability.md`. */
import { availableParallelism, loadavg } from "node:os";
import { percent } from "./chaos-run.mjs";
import { storyLine } from "./chaos-story.mjs";

/** Nothing was played yet; from now on. */
export function beginReport() {
  return { began: Date.now(), strategies: new Map(), harms: new Map(), loads: [], runs: [] };
}

/** Writes a run into the report: `wrong` in words, or null; `share` that its loss is off, where it has one. */
export function record(report, story, { wrong, folder, share, seconds }) {
  const names = story.acts.filter(({ tooLate }) => tooLate === false).map(({ harm }) => harm);
  count(report.strategies, story.name, wrong).shares.push(...(share === undefined ? [] : [share]));
  for (const harm of names) count(report.harms, harm, wrong);
  report.loads.push(loadavg()[0]);
  report.runs.push({ seed: story.seed, line: storyLine(story), wrong, folder, seconds });
}

function count(tallies, name, wrong) {
  const tally = tallies.get(name) ?? { runs: 0, broken: 0, shares: [] };
  tallies.set(name, tally);
  tally.runs++;
  if (wrong !== null) tally.broken++;
  return tally;
}

/** How many were broken. */
export function brokenIn({ runs }) {
  return runs.filter(({ wrong }) => wrong !== null).length;
}

/** The report as a page. */
export function markdownOf(report) {
  const { strategies, harms, runs } = report;
  const broken = runs.filter(({ wrong }) => wrong !== null);
  const cell = (text) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  return [
    summaryOf(report),
    "",
    ...table(
      ["strategy", "runs", "broken", "losses against undisturbed"],
      [...strategies].sort().map(([name, one]) => [name, one.runs, one.broken, spread(one.shares)]),
    ),
    "",
    ...table(
      ["harm", "played", "in broken runs"],
      [...harms].sort().map(([name, one]) => [name, one.runs, one.broken]),
    ),
    "",
    ...(broken.length === 0
      ? ["Nothing was broken."]
      : table(
          ["broken", "what was wrong", "logs"],
          broken.map(({ line, wrong, folder }) => [cell(line), cell(wrong), folder ?? ""]),
        )),
    "",
  ].join("\n");
}

function summaryOf({ began, runs, loads }) {
  const minutes = ((Date.now() - began) / 60_000).toFixed(1);
  const day = new Date(began).toISOString().slice(0, 16).replace("T", " ");
  const seeds = runs.map(({ seed }) => seed);
  const from = runs.length === 0 ? "" : ` Seeds ${Math.min(...seeds)} to ${Math.max(...seeds)}.`;
  const seconds = runs.map((run) => run.seconds);
  const machine =
    runs.length === 0
      ? ""
      : ` Load averages ${range(loads)} on ${availableParallelism()} processors; a run took ${range(seconds)} s.`;
  return `${runs.length} runs, ${brokenIn({ runs })} broken, in ${minutes} minutes from ${day} UTC.${from}${machine}`;
}

/** The least, the median and the most. */
function range(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const [least, middle, most] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)];
  return `${least.toFixed(1)} to ${most.toFixed(1)} (median ${middle.toFixed(1)})`;
}

function spread(shares) {
  if (shares.length === 0) return "none of these";
  return `${percent(Math.min(...shares))} to ${percent(Math.max(...shares))} (${shares.length})`;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}
