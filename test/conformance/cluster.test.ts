import { join } from "node:path";
import { launchLocal } from "../../src/deploy/local.ts";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import { root } from "../tidy/sources.ts";
import { describeEngine, rowsMove } from "./suite.ts";

// Processes can't run TypeScript: members are the built program.
const launch = launchLocal({ program: join(root, "dist/cli/main.js"), logs: null });

describeEngine(
  "cluster",
  (run) =>
    runCluster({ ...run, cluster: { listen: "127.0.0.1:0", credentials: noCredentials, launch } }),
  {
    skip: [
      {
        case: "feature-parallel over column blocks has the iterates of serial mini-batches",
        reason: "members of a cluster hold rows, and it needs rows cut by columns",
      },
      {
        case: rowsMove,
        reason: "its members are processes, which test/cluster/faults.test.ts kills",
      },
    ],
  },
);
