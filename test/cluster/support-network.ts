/** Members of a cluster whose connections to each other can be cut, some or all. */
import { freePort } from "../../scripts/support/free-port.mjs";
import {
  type Between,
  coordinatorRank,
  dialsFrom,
  Network,
} from "../../scripts/support/network.mjs";
import type { Fate } from "../../scripts/support/tcp-proxy.mjs";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import type { CoordinatorOptions } from "../../src/engines/cluster/coordinator-options.ts";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import type { Launch, MemberOrder } from "../../src/engines/cluster/launcher.ts";
import type { EngineResult } from "../../src/engines/engine.ts";
import { type StrategyOptions, strategyOptions } from "../../src/strategies/strategy.ts";
import { temporaryFolder } from "../e2e/support.ts";
import { type Started, start } from "./support-runs.ts";

/** Processes of a run on a network that can be torn. */
export class TornMembers {
  readonly workers: Started[] = [];
  readonly ports: number[] = [];
  readonly #network = new Network();

  launch: Launch = async (orders) => {
    const [{ join }] = orders as [MemberOrder];
    const entrance = await this.#network.place(coordinatorRank, join);
    for (const { rank } of orders) {
      const port = await freePort();
      const address = await this.#network.place(rank, `127.0.0.1:${port}`);
      const place = ["--listen", `127.0.0.1:${port}`, "--advertise", address];
      // Who is asked to leave has as long as a story takes, on a busy machine too.
      const args = ["worker", "--join", entrance, "--rank", `${rank}`, ...place, "--grace", "1h"];
      this.ports.push(port);
      this.workers.push(start(args, temporaryFolder(), dialsFrom(rank)));
    }
    const ended = Promise.all(this.workers.map((worker) => worker.ended)).then(() => {});
    return {
      processes: this.workers.map(({ child }) => child.pid),
      ended,
      [Symbol.asyncDispose]: async () => {
        for (const { child } of this.workers) child.kill("SIGTERM");
        await this.#network[Symbol.asyncDispose]();
      },
    };
  };

  /** Does that to connections between those ranks, until the function that it returns is called. */
  tear(holds: Between, fate: Fate): () => void {
    return this.#network.tear(holds, fate);
  }
}

/** A run on the ledger, whose updates each add 1. */
interface LedgerRun {
  readonly strategy: string;
  readonly workers: number;
  readonly options?: Partial<StrategyOptions>;
  readonly observe?: CoordinatorOptions["observe"];
}

/** What a run came to, and what happened meanwhile. */
export type ToldRun<T> = EngineResult & {
  readonly events: readonly ClusterEvent[];
  readonly outcome: T;
};

/**
 * Runs as long as a story takes that begins once all members have, and not longer: however quick the machine, what
 * happens to members happens in the middle. @throws what the story throws
 */
export async function runTold<T>(
  { strategy: name, workers, options, ...run }: LedgerRun & { readonly launch: Launch },
  story: (events: readonly ClusterEvent[], address: string) => Promise<T>,
): Promise<ToldRun<T>> {
  const { launch, observe } = run;
  const events: ClusterEvent[] = [];
  const end = new AbortController();
  let told: Promise<T> | undefined;
  const onEvent = (event: ClusterEvent) => {
    events.push(event);
    if (event.kind !== "view" || event.id !== 1) return;
    const place = events.find(({ kind }) => kind === "listening");
    const { address } = place as ClusterEvent & { readonly kind: "listening" };
    told = story(events, address).finally(() => end.abort());
    told.catch(() => {});
  };
  const result = await runCluster({
    ...{ strategy: { name }, workers, seed: 5, epochs: 1000 },
    options: strategyOptions({ rowsPerUpdate: 1, ...options }),
    task: { kind: "ledger", spec: { workers, rowsPerWorker: 6000 } },
    ...(observe ? { observe } : {}),
    signal: end.signal,
    cluster: { listen: "127.0.0.1:0", credentials: noCredentials, launch, onEvent },
  });
  if (told === undefined) throw new Error("The run ended before its members had begun");
  return { ...result, events, outcome: await told };
}

/** Plays a story of members that are torn from each other. @throws what the story throws, with what members said */
export function runTorn<T>(
  run: LedgerRun,
  story: (members: TornMembers, events: readonly ClusterEvent[]) => Promise<T>,
): Promise<ToldRun<T>> {
  const members = new TornMembers();
  return runTold({ ...run, launch: members.launch }, async (events) => {
    try {
      return await story(members, events);
    } catch (error) {
      const said = members.workers.map((worker, rank) => `member ${rank}: ${worker.said()}`);
      throw new Error([String(error), ...said].join("\n"), { cause: error });
    }
  });
}
