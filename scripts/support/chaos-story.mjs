/** What happens under a seed of chaos: a strategy, what it works on, and one or two harms. */
import { nextBelow, randomStream } from "../../dist/math/random.js";
import { harms } from "./chaos-harms.mjs";
import { coordinatorRank } from "./network.mjs";

/** Workers of every run; servers come beside them. */
export const workers = 4;

/**
 * Every strategy that claims to bear members that come and go. On a cluster feature-parallel holds a column range
 * a member that nobody else has: who is lost takes its columns with it, so it claims only to end.
 */
export const strategies = {
  asp: { servers: true, counts: "sum" },
  ssp: { servers: true, counts: "sum" },
  dssp: { servers: true, counts: "sum" },
  bsp: { servers: true, counts: "sum", rounds: true },
  "allreduce-complete": { counts: "sum", rounds: true },
  "allreduce-ring": { counts: "sum", rounds: true },
  "allreduce-tree": { counts: "sum", rounds: true },
  "peer-to-peer": { counts: "sum" },
  "d-psgd": { counts: "mean", rounds: true },
  "ad-psgd": { counts: "mean" },
  "feature-parallel": { counts: "columns", rounds: true },
};

/** What the members work on: `count` is the task that counts updates, `learn` real rows by the command line. */
export const works = ["count", "learn"];

/** What happens under a seed. */
export function drawStory(seed, given) {
  const stream = randomStream({ seed, purpose: "chaos" });
  const pick = (list) => list[nextBelow(stream, list.length)];
  const name = pick(given.strategies);
  const { servers = false, rounds = false, counts } = strategies[name];
  const work = counts === "columns" ? "count" : pick(given.works);
  const standby = servers && nextBelow(stream, 2) === 0;
  const seats = workers + (servers ? 1 : 0) + (standby ? 1 : 0);
  const about = { seed, name, counts, rounds, work, standby, seats };
  const count = 1 + nextBelow(stream, 2);
  const acts = [];
  while (acts.length < count) {
    const act = drawAct(about, acts, { stream, pick, names: given.harms });
    if (act === null) break;
    acts.push(act);
  }
  // Where the coordinator dies others must start the members: those that it started would die with it.
  const dies = acts.some(({ harm }) => harm === "coordinator");
  const seen = work === "count" && !dies && nextBelow(stream, 2) === 0;
  return { ...about, acts, seen };
}

/** One harm to members that are not hurt yet, such that those who are left may go on; null when there is none. */
function drawAct({ standby, seats, counts }, acts, { stream, pick, names }) {
  const servers = Array.from({ length: seats - workers }, (_, k) => workers + k);
  const hurt = new Set(acts.flatMap(({ ranks }) => ranks));
  const isWeak = acts.some(({ harm }) => harms[harm].removes);
  // Without columns of its own nobody can go on, so none is taken for good. Half of the workers is all that a quorum bears.
  const fits = (name) =>
    (name !== "server" || standby) &&
    !(counts === "columns" && harms[name].removes) &&
    !(name === "halves" && isWeak) &&
    !(harms[name].removes && acts.some(({ harm }) => harm === "halves"));
  const harm = pick(names.filter(fits));
  if (harm === undefined) return null;
  const afterMs = 100 + nextBelow(stream, 2000);
  if (harm === "coordinator") {
    const again = hurt.has(coordinatorRank);
    const backMs = () => 200 + nextBelow(stream, 6000);
    return again ? null : { harm, ranks: [coordinatorRank], afterMs, backMs: backMs() };
  }
  const { removes, torn = false, size = 1 } = harms[harm];
  const serverHurt = servers.some((rank) => hurt.has(rank));
  const mortal = candidates(harm, servers, seats).filter((rank) => {
    if (hurt.has(rank)) return false;
    // Either of both may be given up, or nobody.
    if (harm === "link") return true;
    // One of a server and its standby must live; and half of four are a quorum only with the first of them.
    if (removes && servers.includes(rank)) return standby && !serverHurt;
    return !(removes && rank === 0 && seats === workers);
  });
  if (mortal.length < size) return null;
  const ranks = [];
  for (let k = 0; k < size; k++) ranks.push(...mortal.splice(nextBelow(stream, mortal.length), 1));
  return { harm, ranks, afterMs, ...(torn ? { silent: nextBelow(stream, 2) === 0 } : {}) };
}

/** Whom a harm may come to: a side that is cut off is of workers, as their servers are with the others. */
function candidates(harm, servers, seats) {
  if (harm === "server") return servers;
  return [...Array(harm === "halves" ? workers : seats).keys()];
}

/** The story in a line. */
export function storyLine({ seed, name, work, standby, seen, acts }) {
  const about = [work, standby ? "standby" : null, seen ? "deaths seen" : null].filter(Boolean);
  return `seed ${seed}: ${name} (${about.join(", ")}): ${acts.map(actWords).join("; ")}`;
}

function actWords({ harm, ranks, afterMs, backMs, silent, tooLate }) {
  const who = ranks.includes(coordinatorRank) ? "" : ` ${ranks.join("+")}`;
  const how = silent ? ", in silence" : "";
  const back = backMs === undefined ? "" : `, back after ${backMs} ms`;
  return `${harm}${who} at ${afterMs} ms${how}${back}${tooLate ? " (too late)" : ""}`;
}
