/** Workers in processes of their own anticipate on the shares of all rows, not of those they hold. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { launchLocal } from "../../src/deploy/local.ts";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import { bitsOf } from "../../src/engines/simulator/laws.ts";
import { runThreads } from "../../src/engines/threads/threads.ts";
import { strategyOptions } from "../../src/strategies/strategy.ts";
import { drawRows, twinTasks } from "../support-twins.ts";
import { root } from "../tidy/sources.ts";

test("bsp with merge anticipate gives the same bits on processes and on threads", async () => {
  const [width, l2] = [30, 1e-3];
  const rows = drawRows({ seed: 7, rows: 300, width });
  const { spec } = twinTasks(rows, { width, loss: "hinge", l2, t0: 500 });
  const plan = {
    strategy: { name: "bsp" },
    options: strategyOptions({ merge: "anticipate", rowsPerUpdate: 20 }),
    task: { kind: "rows", spec } as const,
    ...{ workers: 3, seed: 1, epochs: 2 },
  };
  const launch = launchLocal({ program: join(root, "dist/cli/main.js"), logs: null });
  const cluster = { listen: "127.0.0.1:0", credentials: noCredentials, launch };
  const [apart, together] = [await runCluster({ ...plan, cluster }), await runThreads(plan)];
  expect(bitsOf(apart.model)).toBe(bitsOf(together.model));
  const summed = await runThreads({ ...plan, options: strategyOptions({ rowsPerUpdate: 20 }) });
  expect(bitsOf(summed.model)).not.toBe(bitsOf(together.model));
});
