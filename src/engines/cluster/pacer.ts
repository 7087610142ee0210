/** Gives out what members may learn: grants in lockstep, leases of rows in free pace; and ends that. */
import type { Resumption, RunPlan } from "../engine.ts";
import type { Order, Tale } from "./job.ts";
import type { Judge } from "./judge.ts";
import {
  advanceGrants,
  createGrants,
  createPool,
  type Grants,
  type Pool,
  takeRows,
} from "./paces.ts";
import type { RosterEntry } from "./roster.ts";

/** How far a run has come in giving out allowances. */
export interface Allowances {
  readonly granted: number;
  /** In lockstep there will be no further grants, in free pace no further rows. */
  readonly last: boolean;
  /** Snapshots that were judged. */
  readonly judged: number;
}

/** What a pacer needs of its coordinator. */
export interface PacerPort {
  order(rank: number, order: Order): void;
  /** Workers that learn. */
  learners(): readonly RosterEntry[];
  /** Free pace: rows that were learned, by whomever, or that somebody is allowed and has not learned yet. */
  rowsTaken(): number;
  /** The judge wants no more. */
  stop(): void;
}

/** Owns the allowances of a run. */
export class Pacer {
  readonly #plan: RunPlan;
  readonly #judge: Judge | null;
  readonly #port: PacerPort;
  readonly #snapshotEpochs: number;
  readonly #rowsBefore: number;
  #grants: Grants | null = null;
  #pool: Pool | null = null;
  #ending = false;
  #judging: Promise<void> = Promise.resolve();

  /** `rowsBefore`: learned before the run began here, where it goes on from a snapshot. */
  constructor(
    plan: RunPlan,
    judge: Judge | null,
    of: { readonly snapshotEpochs: number; readonly rowsBefore: number },
    port: PacerPort,
  ) {
    this.#plan = plan;
    this.#judge = judge;
    this.#snapshotEpochs = of.snapshotEpochs;
    this.#rowsBefore = of.rowsBefore;
    this.#port = port;
  }

  /** Resolves when what was handed to the judge is judged. */
  get judging(): Promise<void> {
    return this.#judging;
  }

  /** What another process needs to go on. */
  get allowances(): Allowances {
    const { granted, last } = this.#grants ?? { granted: 0, last: this.#ending };
    return { granted, last, judged: this.#judge?.judged ?? 0 };
  }

  /**
   * All members are there, at the start or after the snapshot `resume`: the first allowances. Rows are for who asks:
   * one that asked while others were under way to it unasked would have them twice.
   */
  begin(updates: number, resume: Resumption | null): void {
    this.#begin(updates, resume && this.#allowancesAfter(resume, updates));
  }

  /** Another process gave out these; members have leases, and ask for more by themselves. */
  takeUp(updates: number, before: Allowances): void {
    this.#begin(updates, before);
  }

  /** A verdict to stop takes effect where it would have. */
  #allowancesAfter({ number, ends }: Resumption, updates: number): Allowances {
    const { epochs, strategy } = this.#plan;
    if (strategy.pace === "free") return { granted: 0, last: ends, judged: number };
    const grants = createGrants({ updates, epochs, snapshotEpochs: this.#snapshotEpochs });
    advanceGrants(grants, ends ? number - 1 : number, false);
    const { granted, last } = grants;
    return { granted, last: last || ends, judged: number };
  }

  /** An epoch is that many updates in lockstep. */
  #begin(updates: number, before: Allowances | null): void {
    const { epochs, workers, task, options, strategy } = this.#plan;
    if (before && this.#judge) this.#judge.judged = before.judged;
    if (strategy.pace === "lockstep") {
      const grants = createGrants({ updates, epochs, snapshotEpochs: this.#snapshotEpochs });
      this.#grants = grants;
      if (before) Object.assign(grants, { granted: before.granted, last: before.last });
      this.#grantAll();
      const more = () => !this.#ending && this.#grantAll();
      if (this.#judge) this.#judging = this.#judge.rounds(grants, updates, more);
      return;
    }
    const { rowsPerUpdate } = options;
    const rowsBefore = this.#rowsBefore;
    this.#pool = createPool({ rows: task.rows, epochs, workers, rowsPerUpdate, rowsBefore });
    this.#ending ||= before?.last ?? false;
  }

  /** A newcomer may do what the others may. Rows it asks for by itself. */
  admit(entry: RosterEntry): void {
    if (!this.#grants) return;
    const { granted: updates, last } = this.#grants;
    this.#port.order(entry.rank, { kind: "grant", updates, last });
  }

  /** What a learner missed that could not be reached for a while: how far it may go. Rows it asks for by itself. */
  allowanceOf({ seat }: RosterEntry): Order[] {
    if (!this.#grants || seat.role !== "worker") return [];
    const { granted: updates, last } = this.#grants;
    return this.#ending && !last ? [{ kind: "hold" }] : [{ kind: "grant", updates, last }];
  }

  /** Free pace: the next rows for one of them. */
  #lease(entry: RosterEntry): void {
    if (!this.#pool) return;
    const { rows, last } = this.#ending
      ? { rows: 0, last: true }
      : takeRows(this.#pool, this.#port.rowsTaken());
    entry.leased += rows;
    this.#port.order(entry.rank, { kind: "lease", rows, last });
    this.judge();
  }

  /** It asks for rows: what it says that it may still learn counts, whatever is written down of that. */
  asked(entry: RosterEntry, { rows, left }: Tale & { readonly kind: "lease" }): void {
    entry.rows = rows;
    entry.leased = rows + left;
    this.#lease(entry);
  }

  /** It stands still after that many updates. */
  held(entry: RosterEntry, { taken }: Tale & { readonly kind: "held" }): void {
    entry.taken = taken;
    this.#absorbHeld();
  }

  /** What a member was allowed and did not learn is for the others. */
  takeBack(entry: RosterEntry): void {
    this.#judge?.askAnew();
    entry.leased = entry.rows;
    this.#absorbHeld();
  }

  /** Ends the run after what is allowed already: in lockstep, after the round that is open. */
  end(): void {
    this.#ending = true;
    for (const { rank } of this.#port.learners()) {
      this.#port.order(
        rank,
        this.#pool ? { kind: "lease", rows: 0, last: true } : { kind: "hold" },
      );
    }
  }

  /** Once all learners stand still, they end after the update that the fastest of them has begun. */
  #absorbHeld(): void {
    const learners = this.#port.learners();
    if (!this.#grants || !this.#ending || learners.some(({ taken }) => taken === null)) return;
    this.#grants.granted = Math.max(0, ...learners.map(({ taken }) => taken ?? 0));
    this.#grants.last = true;
    this.#grantAll();
  }

  /** Members have come further: perhaps there is something to judge. */
  judge(): void {
    if (!this.#pool || !this.#judge) return;
    this.#judging = this.#judge.pool(() => this.#port.stop());
  }

  #grantAll(): void {
    const { granted: updates, last } = this.#grants!;
    for (const { rank } of this.#port.learners()) {
      this.#port.order(rank, { kind: "grant", updates, last });
    }
  }
}
