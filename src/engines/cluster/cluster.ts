/**
 * The engine `cluster`: each member in a process of its own, on this machine or others, over gRPC. This
 * process coordinates: it is not on the path of messages, and judges snapshots off the members' path.
 */
import { createHash, randomUUID } from "node:crypto";
import { viewBlock } from "../../data/block.ts";
import { Arena } from "../../kernels/arena.ts";
import { featureShares } from "../../learner/anticipation.ts";
import { type KernelTaskSpec, ownedParts } from "../../learner/kernel-task.ts";
import { shuffleShape } from "../../learner/rows.ts";
import { segmentsPerWorker } from "../../learner/segments.ts";
import {
  type EngineResult,
  needsColumns,
  type Resumption,
  type RunPlan,
  refusalOf,
  seatsOf,
} from "../engine.ts";
import { loadStrategy, type StrategySource } from "../strategy-source.ts";
import { createTask, type TaskSpec } from "../task-spec.ts";
import { ClusterError } from "./cluster-error.ts";
import { Coordinator } from "./coordinator.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import type { Credentials } from "./credentials.ts";
import type { ClusterEvent } from "./events.ts";
import { digestsOf } from "./gate.ts";
import type { RunIdentity } from "./handshake.ts";
import type { Begun, ClusterJob, RemoteTask } from "./job.ts";
import type { ModelFacts } from "./keep-model.ts";
import type { Launch } from "./launcher.ts";
import {
  endSecondsMax,
  gatherSecondsMax,
  launchSecondsMax,
  orphanSecondsDefault,
} from "./limits.ts";
import { type Limits, limitDefaults } from "./protection.ts";
import { rowParts } from "./row-parts.ts";
import type { StateStore } from "./saved-run.ts";
import type { SharedRows } from "./shared-rows.ts";
import { seatsWithSpares } from "./spare-seats.ts";
import { type Inheritance, inheritance } from "./take-up.ts";
import { waitFor } from "./wait.ts";

/** What the engine takes: the plan of any engine, with task and strategy as data. */
export interface ClusterPlan extends Omit<RunPlan, "strategy" | "task"> {
  readonly strategy: StrategySource;
  readonly task: TaskSpec;
  readonly observe?: CoordinatorOptions["observe"];
  /** The snapshot to go on from, where nobody of the run lives any more. */
  readonly resume?: Resumption;
  /** Seconds of learning after which a rule ends the run: members keep it without a coordinator, too. */
  readonly secondsMax?: number;
  /** What a model file says beside the weights. */
  readonly model?: ModelFacts;
  /** Where members may find the rows by themselves. */
  readonly shared?: SharedRows;
  /** Aborting it ends the run in good order. */
  readonly signal?: AbortSignal;
  readonly cluster: ClusterSetting;
}

/** Where and with whom. */
export interface ClusterSetting {
  /** HOST:PORT to listen at; port 0 is a free one. */
  readonly listen: string;
  readonly portRange?: { readonly low: number; readonly high: number } | null;
  /** What members show each other; made up where nothing is given. */
  readonly credentials: Credentials;
  readonly limits?: Limits;
  /** Variables by which processes that the run starts get the same credentials. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Hosts at which members that are started reach this process; this machine where none is given. */
  readonly reachedAt?: readonly string[];
  /** Starts the members; null: others do, and the run waits for them. */
  readonly launch: Launch | null;
  /** Without a coordinator members learn on for so long, in seconds. */
  readonly orphanSeconds?: number;
  /** What members may check that they mean the same data. */
  readonly data?: string;
  readonly split?: string;
  /** Where the coordinator leaves its state, and finds that of a run it is to take up. */
  readonly state?: StateStore | null;
  readonly onEvent?: (event: ClusterEvent) => void;
}

/**
 * Runs a plan on processes.
 * @throws RangeError when the strategy refuses the plan.
 */
export async function runCluster(plan: ClusterPlan): Promise<EngineResult> {
  const strategy = await loadStrategy(plan.strategy);
  const full: RunPlan = { ...plan, strategy, task: createTask(plan.task) };
  const refused = refusalOf(full) ?? columnsRefused(full);
  const large = limitRefused(full, plan.cluster.limits ?? limitDefaults);
  if (large !== null) throw new ClusterError(large);
  if (refused) throw new RangeError(`Cannot run ${strategy.name} on a cluster: ${refused.reason}`);
  const { cluster } = plan;
  const inherited = await inheritanceOf(plan);
  const seats = seatsWithSpares(full, plan.cluster.limits ?? limitDefaults);
  await using coordinator = new Coordinator(optionsOf(plan, full, inherited), {
    ...{ seats, planned: seatsOf(full).length },
  });
  const port = await coordinator.listen();
  const stop = () => coordinator.stop();
  plan.signal?.addEventListener("abort", stop);
  if (plan.signal?.aborted) stop();
  const late = setTimeout(
    () => failUngathered(coordinator, plan.cluster),
    1000 * gatherSecondsOf(plan.cluster),
  );
  try {
    if (!cluster.launch) return await coordinator.result().catch(dismiss(coordinator));
    return await runLaunched(coordinator, full, port, cluster as LaunchSetting);
  } finally {
    clearTimeout(late);
    plan.signal?.removeEventListener("abort", stop);
  }
}

/** Members that this process did not start hear why the run is over. */
function dismiss(coordinator: Coordinator) {
  return (error: Error): never => {
    coordinator.dismiss(error.message);
    throw error;
  };
}

function gatherSecondsOf({ launch }: ClusterSetting): number {
  return launch ? launchSecondsMax : gatherSecondsMax;
}

function failUngathered(coordinator: Coordinator, setting: ClusterSetting): void {
  const { missing } = coordinator;
  if (missing.length === 0) return;
  const hint = setting.launch
    ? ": see their log files, and that their hosts reach this one"
    : ": start them with glissade worker --join";
  coordinator.fail(
    new ClusterError(
      `Members ${missing.join(", ")} did not join within ${gatherSecondsOf(setting)} s${hint}`,
    ),
  );
}

type LaunchSetting = ClusterSetting & { readonly launch: Launch };

async function runLaunched(
  coordinator: Coordinator,
  full: RunPlan,
  port: number,
  { launch, environment = {}, reachedAt = ["127.0.0.1"] }: LaunchSetting,
): Promise<EngineResult> {
  const join = reachedAt.map((host) => `${host}:${port}`).join(",");
  const orders = seatsOf(full).map((_, rank) => ({ join, environment, rank }));
  await using launched = await launch(orders, ({ rank, reason }) =>
    coordinator.processEnded(rank, reason),
  );
  const result = await coordinator.result();
  // One that is stopped never ends by itself: it is ended when this scope is left.
  const bound = { whom: "processes to end", secondsMax: endSecondsMax };
  await waitFor(bound, launched.ended).catch(() => {});
  return result;
}

function columnsRefused({ strategy, task }: RunPlan) {
  if (strategy.owns !== "columns" || task.name !== "rows") return null;
  return { reason: needsColumns };
}

/** What the coordinator before left; members that this process is to start died with it. */
async function inheritanceOf(plan: ClusterPlan): Promise<Inheritance | null> {
  const { state, launch, credentials } = plan.cluster;
  if (launch || !state) return null;
  return inheritance(state, { settings: identityOf(plan).settings, credentials });
}

function optionsOf(
  plan: ClusterPlan,
  full: RunPlan,
  inherited: Inheritance | null,
): CoordinatorOptions {
  const { cluster, task, workers, observe, resume = null } = plan;
  const limits = cluster.limits ?? limitDefaults;
  const saved = inherited?.alive ? inherited.saved : null;
  const rows = task.kind === "rows" ? task.spec : null;
  const segments = rows ? segmentsPerWorker * workers : 0;
  return {
    plan: full,
    identity: saved?.identity ?? identityOf(plan),
    listen: inherited ? atPort(cluster.listen, inherited.saved.port) : cluster.listen,
    portRange: inherited ? null : (cluster.portRange ?? null),
    ...{ saved, resume, state: cluster.state ?? null },
    credentials: { ...cluster.credentials, messageMax: limits.message },
    limits,
    ...{ gatherSeconds: gatherSecondsOf(cluster), secondsMax: plan.secondsMax ?? null },
    jobFor: (rank, begun) => jobFor(plan, full, { rank, begun }),
    rowsFor: ({ segments: wanted }) =>
      rows ? rowParts(rows, segments, new Set(wanted)) : ([] as const),
    ...(observe ? { observe } : {}),
    onEvent: cluster.onEvent ?? (() => {}),
  };
}

/** Members, and who starts new ones, look for it where it was. */
function atPort(listen: string, port: number): string {
  return `${listen.slice(0, listen.lastIndexOf(":"))}:${port}`;
}

/** What makes two runs differ, in a few letters. */
function identityOf({
  strategy,
  options,
  task,
  seed,
  epochs,
  workers,
  cluster,
}: ClusterPlan): RunIdentity {
  const { memory, train, judged, shares, ...kernel } = (
    task.kind === "rows" ? task.spec : {}
  ) as KernelTaskSpec;
  const facts = { strategy, options, kernel, seed, epochs, workers };
  const settings = createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 16);
  return { run: randomUUID(), settings, data: cluster.data ?? "", split: cluster.split ?? "" };
}

function jobFor(
  plan: ClusterPlan,
  full: RunPlan,
  { rank, begun }: { rank: number; begun: Begun | null },
): ClusterJob {
  const { strategy, options, workers, seed, epochs, observe, resume } = plan;
  return {
    ...{ workers, strategy, options, seed, epochs, begun },
    // A newcomer gets round and model of the others.
    round: begun === null ? (resume?.round ?? 0) : 0,
    seats: seatsWithSpares(full, plan.cluster.limits ?? limitDefaults),
    task: remoteTask(plan, full, rank),
    snapshotEpochs: observe?.everyEpochs ?? 0,
    model: plan.model ?? null,
    orphanSeconds: plan.cluster.orphanSeconds ?? orphanSecondsDefault,
    access: digestsOf(plan.cluster.credentials.tokens),
  };
}

function remoteTask(
  { task, workers, options, shared }: ClusterPlan,
  full: RunPlan,
  rank: number,
): RemoteTask {
  if (task.kind !== "rows") return task;
  const { memory, train, judged, shares, ...spec } = task.spec;
  const arena = new Arena(memory);
  const parts = train.map(({ block, rows, count }) => ({
    block: viewBlock(arena.buffer, block),
    rows: arena.u32(rows, count),
  }));
  const blocks = ownedParts(parts, { rank: Math.min(rank, workers - 1), workers }).map(
    ({ block }) => block,
  );
  const segments = segmentsPerWorker * workers;
  const sharesOf = () =>
    shares === undefined ? featureShares([parts], spec.width) : arena.f32(shares, spec.width);
  return {
    kind: "rows",
    spec: {
      ...{
        ...spec,
        rows: full.task.rows,
        segments,
        shape: shuffleShape(blocks),
        shared: shared ?? null,
      },
      featureShares: options.merge === "anticipate" ? encoded(sharesOf()) : "",
    },
  };
}

function encoded({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

/** Why a run is larger than the limits of this process allow; null when it is not. */
function limitRefused(full: RunPlan, { members, model, message }: Limits): string | null {
  const seats = seatsOf(full).length;
  if (seats > members) {
    return `Cannot run ${seats} members as limit members is ${members}: --limits members=N changes it`;
  }
  const bytes = 4 * full.task.width;
  if (bytes <= model) {
    return bytes <= message
      ? null
      : `Cannot train a model of ${bytes} bytes as limit message is ${message} bytes, and models travel in one: --limits message=N changes it, here and at every worker`;
  }
  return `Cannot train a model of ${bytes} bytes as limit model is ${model} bytes: --limits model=N changes it`;
}
