/** Members of a cluster whose connections to each other can be cut, some or all. */
import { createServer } from "node:net";
import {
  type Between,
  coordinatorRank,
  dialsFrom,
  Network,
} from "../../scripts/support/network.mjs";
import type { Fate } from "../../scripts/support/tcp-proxy.mjs";
import type { Launch, MemberOrder } from "../../src/engines/cluster/launcher.ts";
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
      const args = ["worker", "--join", entrance, "--rank", `${rank}`, ...place];
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

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
