/** Fetches snapshots of a run and has them judged, one after the other, off the members' path. */
import { setMaxListeners } from "node:events";
import type { RunPlan } from "../engine.ts";
import { ClusterError } from "./cluster-error.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import type { Credentials } from "./credentials.ts";
import type { ClusterSnapshot } from "./events.ts";
import { reconnectMsMax, snapshotFailedSecondsMax } from "./limits.ts";
import { fetchModels } from "./member-calls.ts";
import { advanceGrants, type Grants } from "./paces.ts";
import { type HeldModel, snapshotModel } from "./results.ts";
import { liveEntries, type Roster, type RosterEntry, rowsLearned } from "./roster.ts";
import { pause } from "./wait.ts";

/** Free pace: models that are judged or wait for it. */
const queuedMax = 2;

/** The loss of the model that was judged last, the least one, and what it is, as in "validation loss". */
export interface JudgedSoFar {
  readonly loss: number;
  readonly bestLoss: number;
  readonly lossOf: string;
}

/** Called with a model every so many epochs; true stops the run. */
export interface Observer {
  readonly everyEpochs: number;
  readonly at: (snapshot: ClusterSnapshot) => boolean | Promise<boolean>;
  /** What was found so far; null before the first was judged. */
  readonly standing?: () => JudgedSoFar | null;
}

interface JudgeCase {
  /** Rows learned before, by the run that this one goes on from. */
  readonly rowsBefore: number;
  readonly plan: RunPlan;
  readonly observe: Observer;
  readonly credentials: Credentials;
  readonly roster: Roster;
}

interface JudgePort {
  running(): boolean;
  now(): number;
  fail(error: Error): void;
}

/** The judge of a run; null where nobody wants to see models. */
export function createJudge(
  { plan, observe, credentials }: Pick<CoordinatorOptions, "plan" | "observe" | "credentials">,
  facts: Pick<JudgeCase, "roster" | "rowsBefore">,
  port: JudgePort,
): Judge | null {
  return observe ? new Judge({ plan, observe, credentials, ...facts }, port) : null;
}

/** Owns the queue of judgements of a run. */
export class Judge {
  readonly #case: JudgeCase;
  readonly #port: JudgePort;
  /** Snapshots judged, or being judged. */
  judged = 0;
  #queue: Promise<void> = Promise.resolve();
  /** Ends the calls under way for models of a round. */
  #asking = abortable();
  #queued = 0;

  constructor(of: JudgeCase, port: JudgePort) {
    this.#case = of;
    this.#port = port;
  }

  /** Somebody is gone: who still waits for a snapshot of it asks anew, those who are there. */
  askAnew(): void {
    this.#asking.abort();
    this.#asking = abortable();
  }

  /** Judges the snapshots of a lockstep run in their order; each verdict allows the next updates. */
  async rounds(grants: Grants, updates: number, grant: () => void): Promise<void> {
    if (grants.every === 0) return;
    for (let number = this.judged + 1; number * grants.every <= grants.granted; number++) {
      const after = number * grants.every;
      const held = await this.#round(after);
      if (held === null) return;
      const rows = Math.round((after / updates) * this.#case.plan.task.rows);
      const parts = { number, rows, round: after };
      advanceGrants(grants, number, await this.#judge(parts, held));
      this.judged = number;
      grant();
    }
  }

  /** Free pace: whenever another so many rows were learned, the model as it is then. */
  pool(stop: () => void): Promise<void> {
    const { plan, observe, roster, credentials, rowsBefore } = this.#case;
    const rows = rowsBefore + rowsLearned(roster);
    const number = Math.floor(rows / (observe.everyEpochs * plan.task.rows));
    if (number <= this.judged || !this.#port.running()) return this.#queue;
    // Where judging is slower than learning, what is judged must not fall behind.
    if (this.#queued >= queuedMax) return this.#queue;
    this.judged = number;
    this.#queued++;
    this.#queue = this.#queue.then(async () => {
      const held = await fetchModels(this.#members(), { after: 0, credentials }).catch(() => null);
      if (held !== null && this.#port.running()) {
        if (await this.#judge({ number, rows, round: 0 }, held)) stop();
      }
      this.#queued--;
    });
    return this.#queue;
  }

  /** Models after a round; who dies meanwhile is left out at the next try. Null when the run is over. */
  async #round(after: number): Promise<readonly HeldModel[] | null> {
    const { credentials } = this.#case;
    let until = Number.POSITIVE_INFINITY;
    let reason = "no member has come that far";
    while (this.#port.running()) {
      try {
        const { signal } = this.#asking;
        const held = await fetchModels(this.#members(), { after, credentials, signal });
        if (held.length > 0) return held;
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
      const now = performance.now();
      until = Math.min(until, now + 1000 * snapshotFailedSecondsMax);
      if (now > until) {
        const words = `No models after update ${after} for ${snapshotFailedSecondsMax} s: ${reason}`;
        this.#port.fail(new ClusterError(words));
      } else {
        await pause({ whom: "members with that snapshot", secondsMax: reconnectMsMax / 1000 });
      }
    }
    return null;
  }

  async #judge(
    parts: Pick<ClusterSnapshot, "number" | "rows" | "round">,
    held: readonly HeldModel[],
  ): Promise<boolean> {
    try {
      const { plan, roster } = this.#case;
      const model = snapshotModel(plan, held);
      const entries = [...roster.entries.values()];
      const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
      const seconds = this.#port.now();
      // A run that is resumed has the workers that were planned: a checkpoint is whole if they, and no others, learn.
      const differ = isMeanOfWorkers(plan, roster.seats);
      const isHeld = !differ || arePlanned(held, plan.workers);
      const isWhole = parts.round > 0 && isAsPlanned(roster, plan.workers) && isHeld;
      const models = differ && isWhole ? held.map((one) => one.model) : [model];
      return await this.#case.observe.at({ ...parts, seconds, bytes, model, models, isWhole });
    } catch (error) {
      this.#port.fail(error instanceof Error ? error : new Error(String(error)));
      return true;
    }
  }

  /** Whose models make the model of the run: the servers', all workers', or that of one. */
  #members(): RosterEntry[] {
    const { plan, roster } = this.#case;
    const { strategy } = plan;
    const live = liveEntries(roster).filter(({ state }) => state !== "seated");
    const workers = live.filter(({ seat }) => seat.role === "worker");
    const servers = live.filter(({ seat }) => seat.role === "server");
    if (strategy.owns === "columns") return workers;
    // In lockstep a worker's replica is the model all agreed on after that round.
    if (servers.length > 0 && strategy.pace === "free") return servers;
    return isMeanOfWorkers(plan, roster.seats) ? workers : workers.slice(0, 1);
  }
}

/** Whether those who learn are the planned workers, all of them. */
function isAsPlanned(roster: Roster, workers: number): boolean {
  const learning = liveEntries(roster).filter(({ rank }) => roster.seats[rank]!.role === "worker");
  return arePlanned(learning, workers);
}

function arePlanned(some: readonly { readonly rank: number }[], workers: number): boolean {
  return some.length === workers && some.every(({ rank }, place) => rank === place);
}

/** Any number of calls may end by it. */
function abortable(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** Whether workers' models differ, and the model of the run is their mean. */
function isMeanOfWorkers({ strategy, options }: RunPlan, seats: Roster["seats"]): boolean {
  return strategy.conserves(options) === "mean" && seats.every(({ role }) => role === "worker");
}
