/**
 * Training side by side: every contender from text to weights, in turn, five times (less where the
 * time for a table is over, and twice only for those that take five times as long as glissade). A first round
 * climbs each contender's ladder of settings and keeps the quickest rung within 1, 0.1 and 0.01 %
 * of the optimum; only those are timed.
 */

import { contenders } from "./support/contenders.mjs";
import { readCsr } from "./support/csr.mjs";
import { prepareSet, problems } from "./support/data.mjs";
import { judge, violatorShare } from "./support/judge.mjs";
import { median } from "./support/measure.mjs";

export const goals = [0.01, 0.001, 0.0001];

/**
 * @returns one record a contender: its rung for each goal, with medians and the ratio of its whole
 * process to glissade's, a median of the ratios within each round.
 */
export async function benchTraining({ setName, problemName, rounds, seconds, names, say }) {
  const set = await prepareSet(setName);
  const csr = readCsr(set.trainCsr);
  const testCsr = readCsr(set.testCsr);
  Object.assign(set, { rows: csr.rows, nonZeros: csr.nonZeros });
  const problem = problems[problemName];
  const optimum = set.optimum[problemName];
  const above = (weights) => judge(csr, weights, problem).objective / optimum - 1;
  const taking = contenders.filter(({ name }) => names === null || names.includes(name));
  const entries = [];
  for (const contender of taking) {
    const entry = climb(contender, { set, problem, above, say });
    if (entry !== null) entries.push(entry);
    // The first entry is glissade's, whose weights tell how many rows make Vowpal Wabbit step.
    const exact = entry?.probe.at(-1);
    if (set.violators === undefined && exact) set.violators = violatorShare(csr, exact.weights);
  }
  const reference = entries[0];
  const begun = performance.now();
  let done = 0;
  while (done < rounds && (done < roundsMin || (performance.now() - begun) / 1000 < seconds)) {
    const all = done < roundsMin;
    for (const entry of entries) {
      if (all || !isFarBehind(entry, reference)) timeRound(entry, { set, problem, above });
    }
    done++;
    say(`${set.title}, ${problemName}: round ${done} of ${rounds}`);
  }
  const accuracyOf = (weights) => judge(testCsr, weights, problem).accuracy;
  return {
    rounds: done,
    entries: entries.map((entry) => summarise(entry, { reference, accuracyOf })),
  };
}

/** Rounds that every contender takes part in, however long they take. */
const roundsMin = 2;
const farBehindFactor = 5;

/** Whether more rounds would tell no more than that it is slower by far. */
function isFarBehind(entry, reference) {
  const quickest = ({ timed }) => Math.min(...[...timed[0].values()].map(({ whole }) => whole));
  return quickest(entry) > farBehindFactor * quickest(reference);
}

/** Tries every rung once; keeps the quickest that reaches each goal, and the most exact one. */
function climb(contender, { set, problem, above, say }) {
  const ladder = contender.ladder(set, problem);
  let results;
  try {
    results = contender.runRungs(set, problem, ladder);
  } catch (error) {
    // A peer that cannot be installed here is left out, aloud.
    say(`${contender.name} is left out: ${error.message}`);
    return null;
  }
  const probe = [];
  for (const [k, result] of results.entries()) {
    if (result.ok) probe.push({ rung: ladder[k], ...result, above: above(result.weights) });
    else say(`${contender.name} ${ladder[k]}: ${result.why}`);
  }
  if (probe.length === 0) return null;
  probe.sort((a, b) => b.above - a.above);
  for (const { rung, whole, train, above: distance } of probe) {
    const learned = train === null ? "" : `, ${train.toFixed(3)} s of it training`;
    const away = (100 * distance).toFixed(4);
    say(`  ${contender.name} ${rung}: ${away} % above, ${whole.toFixed(2)} s${learned}`);
  }
  const quickest = goals.map((goal) => {
    const there = probe.filter((one) => one.above <= goal);
    return there.sort((a, b) => a.whole - b.whole)[0]?.rung ?? null;
  });
  // A contender that misses every goal is shown by its most exact rung.
  const fallback = quickest.every((rung) => rung === null) ? probe.at(-1).rung : null;
  const rungs = [...new Set([...quickest, fallback])].filter((rung) => rung !== null);
  return { contender, probe, quickest, fallback, rungs, timed: [] };
}

function timeRound(entry, { set, problem, above }) {
  const results = entry.contender.runRungs(set, problem, entry.rungs);
  entry.timed.push(
    new Map(
      results.map((result, k) => [entry.rungs[k], { ...result, above: above(result.weights) }]),
    ),
  );
}

function summarise(entry, { reference, accuracyOf }) {
  const of = (rung, field) => {
    const numbers = entry.timed.map((round) => round.get(rung)[field]);
    return numbers.some((number) => number === null || number === undefined)
      ? null
      : median(numbers);
  };
  const cells = goals.map((goal, k) => {
    const rung = entry.quickest[k];
    return rung === null
      ? null
      : describe(entry, rung, { goal, of, ratio: ratioTo(reference, entry, k) });
  });
  const shown = entry.quickest[1] ?? entry.fallback ?? entry.rungs.at(-1);
  const { weights } = entry.timed[0].get(shown);
  const line = describe(entry, shown, { goal: null, of, ratio: null });
  return { name: entry.contender.name, ...line, accuracy: accuracyOf(weights), cells };
}

function describe(entry, rung, { goal, of, ratio }) {
  const fields = ["whole", "load", "train", "judging", "megabytes", "above"];
  const { note } = entry.timed[0].get(rung);
  return {
    goal,
    rung,
    note,
    ratio,
    ...Object.fromEntries(fields.map((name) => [name, of(rung, name)])),
  };
}

/** Whole process against glissade's at the same goal, paired round by round. */
function ratioTo(reference, entry, goal) {
  const [ours, theirs] = [reference.quickest[goal], entry.quickest[goal]];
  if (ours === null || theirs === null) return null;
  const whole = ({ timed }, rung, round) => timed[round].get(rung).whole;
  return median(
    entry.timed.map((_, round) => whole(entry, theirs, round) / whole(reference, ours, round)),
  );
}
