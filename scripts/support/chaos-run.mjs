/** Plays a story of chaos: starts its processes, hurts them, waits for the end, and looks at what came of it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Crew } from "./chaos-crew.mjs";
import { harms } from "./chaos-harms.mjs";
import { workers } from "./chaos-story.mjs";

/** The rows of runs that learn, and how: small and strongly convex, so that everybody comes to the same loss. */
const learning = [
  ...["synthetic:news:rows=2000,columns=300", "--loss", "log", "--l2", "0.001"],
  ...["--rows-per-update", "10", "--merge", "mean", "--evaluate-every", "10epochs"],
  // What comes of a run is its last model: with validation rows it would be the one that happened to be best on them.
  ...["--validation", "0"],
];
/**
 * When a run that learns ends. At one's own pace the others learn instead of a member that is cut off, and until it is
 * given up of their own rows only; what they learn so weighs by its share in all that was learned. So a run must go on
 * for long after the last harm is over (8 s), and as machines differ tenfold in epochs a second, that is a matter of
 * time. In rounds all rows weigh the same, as the others wait.
 */
const learningEnd = (rounds) => ["--stop", rounds ? "epochs:60" : "epochs:100000,time:20s"];
/** Rows of the counting task at each worker, in updates of one row. */
const counting = (rounds) => ({ epochs: 2, rowsPerWorker: rounds ? 750 : 1500 });
/** Owners of columns learn all rows, each in four steps of messages. */
const countingColumns = { epochs: 2, rowsPerWorker: 60 };
/** The loss may differ from an undisturbed run's by so much, as a share. */
const lossTolerance = 0.01;

/**
 * Plays it in that folder. `patience`: a run of which nothing comes for so many seconds hangs. Null, or
 * what is wrong; `loss` of a run that learns.
 */
export async function playStory(story, { folder, patience }) {
  const crew = await Crew.create(folder, { seen: story.seen, coordinator: coordinatorArgs(story) });
  const end = () => crew.kill();
  process.once("exit", end);
  try {
    return await play(story, { crew, folder, patience });
  } finally {
    process.off("exit", end);
    await crew.kill();
  }
}

async function play(story, { crew, folder, patience }) {
  const times = [performance.now()];
  crew.startCoordinator();
  await Promise.all(Array.from({ length: story.seats }, (_, rank) => crew.start(rank)));
  const playing = [];
  const onBegin = () => {
    times.push(performance.now());
    playing.push(hurt(story, crew));
  };
  const hang = await watch(crew, { patience, onBegin });
  times.push(performance.now());
  if (hang !== null) return { wrong: hang };
  const [failed] = await Promise.all(playing);
  if (failed) return { wrong: failed };
  const [code, signal] = await crew.coordinator.ended;
  if (code !== 0) return { wrong: `the coordinator ended with ${code ?? signal}` };
  const fatal = story.acts.filter(({ harm }) => harms[harm].removes);
  const unruly = await crew.end(new Set(fatal.flatMap(({ ranks }) => ranks)));
  if (unruly !== null) return { wrong: unruly };
  const left = (await crew.leftOver()) ?? foreignFile(folder, story);
  if (left !== null) return { wrong: left };
  times.push(performance.now());
  const phases = phasesOf(times);
  return story.work === "count"
    ? { wrong: ledgerFault(story, folder), phases }
    : { loss: lossOf(folder), phases };
}

/** How long it took to start, run and end. */
function phasesOf(times) {
  const spans = times.slice(1).map((time, k) => ((time - times[k]) / 1000).toFixed(1));
  return spans.length === 3 ? `: ${spans[0]} to start, ${spans[1]} run, ${spans[2]} to end` : "";
}

/** Does all harms; why one of them could not be done, or null. */
async function hurt({ acts }, crew) {
  const done = await Promise.allSettled(
    acts.map(async (act) => {
      await crew.lapse(act.afterMs);
      act.tooLate = crew.over;
      if (!crew.over) await harms[act.harm].run(crew, act);
    }),
  );
  return done.find(({ status }) => status === "rejected")?.reason.stack ?? null;
}

/** Waits for the coordinator's end as long as something comes of the run, however slow the machine is. */
async function watch(crew, { patience, onBegin }) {
  let [before, since, begun] = ["", Date.now(), false];
  while (!crew.over) {
    await crew.lapse(200);
    const status = await crew.status();
    if (status?.state === "running" && !begun) {
      begun = true;
      onBegin();
    }
    const now = status ? signature(status) : before;
    if (now !== before) [before, since] = [now, Date.now()];
    if (Date.now() - since < 1000 * patience || crew.over) continue;
    const what = begun ? "hangs" : "did not begin";
    return `${what}: nothing new for ${patience} s: ${status ? described(status) : "the coordinator does not answer"}`;
  }
  return null;
}

function signature({ state, view, members }) {
  const each = members.map((one) => `${one.rank}.${one.incarnation} ${one.state} ${one.updates}`);
  return `${state} ${view} ${each.join()}`;
}

function described({ state, view, members }) {
  const each = members.map(({ rank, state: its, updates, wait }) => {
    const waits = wait ? `, waits for ${wait.whom}` : "";
    return `${rank} ${its} after ${updates} updates${waits}`;
  });
  return `${state}, view ${view}; ${each.join("; ")}`;
}

function coordinatorArgs({ name, counts, rounds, seed, standby, work, seen }) {
  const [strategy, topology] = splitName(name);
  return ({ folder, address, again, counting: program, program: cli }) => {
    if (work === "learn") {
      const common = ["--runs", join(folder, "runs"), "--json"];
      const [run] = again ? readdirSync(join(folder, "runs")) : [];
      if (again) return [cli, "coordinator", "--resume", join(folder, "runs", run), ...common];
      const chosen = ["--strategy", strategy, ...(topology ? ["--topology", topology] : [])];
      const size = ["--workers", String(workers), ...(standby ? ["--standby"] : [])];
      const end = learningEnd(rounds);
      const listen = ["--listen", address];
      return [cli, "coordinator", ...learning, ...end, ...chosen, ...size, ...listen, ...common];
    }
    const learn = strategy === "feature-parallel" ? { learn: "gradient" } : {};
    const shape = topology ? { topology } : {};
    const options = { rowsPerUpdate: 1, staleness: 50, standby, ...learn, ...shape };
    const size = counts === "columns" ? countingColumns : counting(rounds);
    const plan = { strategy, workers, seed, ...size, options, listen: address, seen };
    return [program, JSON.stringify(plan)];
  };
}

function splitName(name) {
  const [, strategy, topology] = /^(allreduce)-(.*)$/.exec(name) ?? [null, name, null];
  return [strategy, topology];
}

/** What the run leaves is what it says it leaves: logs, its record, its model and its result. */
function foreignFile(folder, { acts }) {
  const own =
    /^(coordinator-\d+\.(log|out)|rank-\d+-\d+\.log|cluster\.json|result\.json|runs|tmp|model\.safetensors)$/;
  // Without a coordinator a worker keeps the model that it came to the end with.
  const isKept = (name) =>
    acts.some(({ harm }) => harm === "coordinator") &&
    /^glissade-[0-9a-f]{8}\.safetensors$/.test(name);
  const foreign = readdirSync(folder).find((name) => !own.test(name) && !isKept(name));
  if (foreign !== undefined) return `file ${foreign} is left`;
  const runs = join(folder, "runs");
  const record =
    /^(manifest\.json|events\.jsonl|model\.safetensors|cluster(-before)?\.json|logs|checkpoint.*[^w])$/;
  for (const run of existsSync(runs) ? readdirSync(runs) : []) {
    const other = readdirSync(join(runs, run)).find((name) => !record.test(name));
    if (other !== undefined) return `file runs/${run}/${other} is left`;
  }
  return null;
}

/** Whether what workers made is what was applied, each update once, or told as lost. */
function ledgerFault({ counts, acts }, folder) {
  const { values, members } = JSON.parse(readFileSync(join(folder, "result.json"), "utf8"));
  if (!values.every(Number.isFinite)) return "the model is not finite";
  if (counts !== "sum") return null;
  for (let own = 0; own < workers; own++) {
    const { updates, lost, finished } = members[own];
    const applied = values[own];
    const done = acts.filter(({ ranks }) => ranks.includes(own)).map(({ harm }) => harm);
    // What one that was killed had sent after it last told is not known to anybody.
    if (done.some((harm) => harms[harm].silences)) continue;
    // Who slept through the end of the run did not hear what of its earlier life counts.
    if (!finished && !done.includes("leave")) continue;
    if (applied === updates - lost) continue;
    return `the ledger: worker ${own} made ${updates} updates, of which ${lost} are told lost, applied are ${applied}`;
  }
  return null;
}

/** The objective of the last model on the training rows. */
function lossOf(folder) {
  const runs = join(folder, "runs");
  const [run] = readdirSync(runs);
  const events = readFileSync(join(runs, run, "events.jsonl"), "utf8")
    .trim()
    .split("\n");
  return events.map((line) => JSON.parse(line)).findLast(({ kind }) => kind === "evaluated")
    .objective;
}

/** How a loss differs from that of an undisturbed run, as a share; and what is wrong with that, or null. */
export function lossFault(loss, undisturbed) {
  const share = loss / undisturbed - 1;
  const wrong =
    Math.abs(share) <= lossTolerance
      ? null
      : `the loss is off by ${percent(share)}: ${loss}, undisturbed ${undisturbed}`;
  return { share, wrong };
}

export function percent(share) {
  return `${share < 0 ? "" : "+"}${(100 * share).toFixed(2)} %`;
}
