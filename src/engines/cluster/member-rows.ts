/**
 * The rows of a member follow the views: segments that became its own are fetched, and learned from once they are
 * here; segments that are another's now are learned from no longer, but stay in memory, should they come back.
 */
import type { Task } from "../../learner/learner.ts";
import { ownersIn, segmentsOf } from "../../membership/segments.ts";
import type { View } from "../../strategies/strategy.ts";
import { giveLearner, type MemberHost } from "../member-host.ts";
import { createTask } from "../task-spec.ts";
import type { RowsPart } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import type { MemberWait } from "./job.ts";
import { rowsAgainMs, rowsSecondsMax } from "./limits.ts";
import type { PeerAddress } from "./links.ts";
import { createRemoteRows, type RemoteRows } from "./remote-rows.ts";
import type { SegmentRows } from "./row-parts.ts";
import { createClient, type MemberClient } from "./rpc.ts";
import { fetchRows, type MemberOptions, type Seated } from "./seat.ts";
import { sharedSegments } from "./shared-rows.ts";
import { pause } from "./wait.ts";

/** Owns the rows of a member and the calls that fetch them. */
export class MemberRows {
  readonly #client: MemberClient;
  readonly #options: MemberOptions;
  readonly #seated: Seated;
  /** Where other members are. */
  readonly #others: () => readonly PeerAddress[];
  #rows: RemoteRows | null = null;
  #owned = "";
  /** What was said last of rows that can't be had. */
  #told = "";
  #toldSent = false;
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  /** Whether rows can be read where members share them; null until that was tried. */
  #isShared: boolean | null = null;
  #view: View | null = null;
  /** Own segments that are asked for, and since when, of `performance.now()`. */
  #lacking: { readonly segments: number; readonly sinceMs: number } | null = null;

  constructor(
    { client, options, seated }: { client: MemberClient; options: MemberOptions; seated: Seated },
    others: () => readonly PeerAddress[],
  ) {
    this.#client = client;
    this.#options = options;
    this.#seated = seated;
    this.#others = others;
  }

  /** The rows of these segments that are here, for another member. */
  parts(segments: readonly number[]) {
    return this.#rows?.parts(new Set(segments)) ?? [];
  }

  /** The task over the rows it will probably own: those of the latest view with itself in it. */
  async createTask(): Promise<Task> {
    const { job, rank, incarnation } = this.#seated;
    if (job.task.kind !== "rows") return createTask(job.task);
    const { role } = job.seats[rank]!;
    const view = job.begun?.view ?? null;
    const own = { rank, incarnation, role };
    const others = view?.members.filter((life) => life.rank !== rank) ?? [];
    const members = [...others, own].sort((a, b) => a.rank - b.rank);
    const owned = this.#ownedIn(view && { ...view, members });
    this.#rows = createRemoteRows(job.task.spec, owned);
    this.#owned = [...owned].join();
    await this.#fetch([...owned]).catch((error) => {
      if (!job.begun) throw error;
      // Others learn from what is missing, or nobody can: it is asked for again with the first view.
      this.#owned = "";
    });
    return this.#rows.task;
  }

  /** Takes over what the view gives; what is missing comes later. */
  follow(view: View, host: MemberHost): void {
    if (!this.#rows || !host.learner) return;
    const owned = this.#ownedIn(view);
    const name = [...owned].join();
    if (name === this.#owned) return;
    this.#owned = name;
    this.#view = view;
    this.#lacking = null;
    clearTimeout(this.#timer);
    this.#learnFrom(owned, host);
    this.#complete(owned, host);
  }

  /** The coordinator is there again: it has what nobody else had. */
  askAnew(host: MemberHost): void {
    if (!this.#lacking) return;
    clearTimeout(this.#timer);
    this.#complete(this.#ownedIn(this.#view), host);
  }

  /** Own rows are asked for, and may still come. */
  get lacks(): boolean {
    return (
      this.#lacking !== null && performance.now() - this.#lacking.sinceMs < 1000 * rowsSecondsMax
    );
  }

  /** For own rows that nobody gives; `now`: seconds of the run. */
  waitAt(now: number): MemberWait | null {
    if (!this.#lacking) return null;
    const { segments, sinceMs } = this.#lacking;
    const since = now - (performance.now() - sinceMs) / 1000;
    const whom = `the rows of ${segments} segments, which nobody here has; it learns from its others`;
    return { whom, since, until: since + rowsSecondsMax };
  }

  [Symbol.dispose](): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  #ownedIn(view: View | null): ReadonlySet<number> {
    const { job, rank } = this.#seated;
    if (job.task.kind !== "rows") return new Set();
    const { segments } = job.task.spec;
    return new Set(segmentsOf(ownersIn(view, { segments, workers: job.workers }), rank));
  }

  /** Fetches what is missing until it is here, or another view gives something else. */
  #complete(
    owned: ReadonlySet<number>,
    host: MemberHost,
    until = performance.now() + 1000 * rowsSecondsMax,
  ): void {
    const name = this.#owned;
    const missing = this.#missing([...owned]);
    if (missing.length === 0) return;
    const sinceMs = this.#lacking?.sinceMs ?? performance.now();
    this.#lacking = { segments: missing.length, sinceMs };
    this.#fetch(missing).then(
      () => {
        if (this.#over || name !== this.#owned) return;
        this.#lacking = null;
        this.#learnFrom(owned, host);
        this.#options.log(`took over ${missing.length} segments: ${host.learner!.rows} rows now`);
      },
      (error: Error) => {
        if (this.#over || name !== this.#owned) return;
        if (this.#missing(missing).length < missing.length) this.#learnFrom(owned, host);
        const { message } = error;
        const isLast = performance.now() > until;
        const then = isLast
          ? `asked for ${rowsSecondsMax} s in vain: they wait for a coordinator, or the next view`
          : "goes on with its own";
        const line = `could not take over ${missing.length} segments, ${then}: ${message}`;
        if (line !== this.#told) this.#options.log(line);
        this.#told = line;
        if (isLast) return;
        this.#timer = setTimeout(() => this.#complete(owned, host, until), rowsAgainMs);
      },
    );
  }

  #learnFrom(owned: ReadonlySet<number>, host: MemberHost): void {
    const { rank, job } = this.#seated;
    const here = new Set([...owned].filter((segment) => this.#rows!.segments.has(segment)));
    const { workers, seed } = job;
    giveLearner(host, this.#rows!.createLearner({ rank, workers, seed }, here));
  }

  /**
   * Until all of these are here, whichever call brings them: at the path that members share; else from the coordinator; where that is gone, from members that
   * hold them. @throws Error when some are not here then.
   */
  async #fetch(segments: readonly number[]): Promise<void> {
    const { coordinator } = this.#seated;
    if (await this.#readShared(segments)) return;
    try {
      await this.#fetchFrom(this.#client, coordinator, segments);
      this.#refuseMissing(segments, coordinator);
      this.#tellSent(`got its rows from ${coordinator}`);
    } catch (error) {
      for (const { address } of this.#others())
        await this.#askMember(address!, this.#missing(segments));
      if (this.#missing(segments).length > 0) throw error;
    }
  }

  /** Once: how rows come is the same from then on. */
  #tellSent(line: string): void {
    if (!this.#toldSent) this.#options.log(line);
    this.#toldSent = true;
  }

  /** Whether they could be read; where not, the log says why, once. */
  async #readShared(segments: readonly number[]): Promise<boolean> {
    const { task } = this.#seated.job;
    const { openShared, log } = this.#options;
    const shared = task.kind === "rows" ? task.spec.shared : null;
    if (!shared || !openShared || task.kind !== "rows" || segments.length === 0) return false;
    if (this.#isShared === false) return false;
    const wanted = { segments: task.spec.segments, wanted: new Set(segments) };
    try {
      const parts: SegmentRows[] = [];
      for (const part of sharedSegments(shared, openShared, wanted)) {
        parts.push(part);
        await pause({ whom: `rows at ${shared.path}`, secondsMax: 0 });
      }
      if (this.#isShared === null) log(`reads rows at ${shared.path}`);
      this.#isShared = true;
      this.#rows!.add(parts);
      this.#refuseMissing(segments, shared.path);
      return true;
    } catch (error) {
      this.#isShared = false;
      log(`asks for rows, and does not read them at ${shared.path}: ${(error as Error).message}`);
      return false;
    }
  }

  async #askMember(address: string, segments: readonly number[]): Promise<void> {
    if (segments.length === 0 || address === this.#seated.coordinator) return;
    const client = createClient(address, this.#options.credentials);
    await this.#fetchFrom(client, address, segments).catch((error: Error) => {
      this.#options.log(`no rows from ${address}: ${error.message}`);
    });
    client.close();
  }

  #missing(segments: readonly number[]): number[] {
    return segments.filter((segment) => !this.#rows!.segments.has(segment));
  }

  #refuseMissing(segments: readonly number[], from: string): void {
    const { length } = this.#missing(segments);
    if (length > 0) throw new Error(`${from} has no rows of ${length} of them`);
  }

  /** All that comes of it or nothing: a part that came before the call broke would come again. */
  async #fetchFrom(client: MemberClient, from: string, segments: readonly number[]): Promise<void> {
    const { rank, incarnation } = this.#seated;
    const parts: RowsPart[] = [];
    const wanted = { rank, incarnation, segments: [...segments] };
    await fetchRows(client, from, wanted, (part) => parts.push(part));
    this.#rows!.add(parts);
  }
}
