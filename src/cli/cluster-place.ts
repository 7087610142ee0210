/** Where the members of a cluster are: started here by the run itself, or joining from anywhere. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { launchLocal } from "../deploy/local.ts";
import type { ClusterEvent } from "../engines/cluster/events.ts";
import type { LoadedDataset } from "../run/load.ts";
import type { ClusterPlace } from "../run/run-on-engine.ts";
import type { Job } from "./train.ts";

/** Port of a coordinator that others are to find. */
export const coordinatorPort = 7650;

/** The place of this job's members, for rows of this data set. */
export function clusterPlace(job: Job, { fingerprint }: LoadedDataset): ClusterPlace {
  const { settings, output } = job.context;
  const { validation, splitSeed, portRange } = settings;
  const token = settings.token ?? randomBytes(12).toString("base64url");
  const common = { token, portRange, data: fingerprint, split: `${validation}:${splitSeed}` };
  if (!job.waitsForMembers) {
    const program = fileURLToPath(new URL("./main.js", import.meta.url));
    const logs = job.record.path("logs");
    const launch = launchLocal({ program, logs });
    return { ...common, listen: settings.listen ?? "127.0.0.1:0", launch };
  }
  return {
    ...common,
    listen: settings.listen ?? `0.0.0.0:${coordinatorPort}`,
    launch: null,
    onEvent: (event) => tell(event, token, (line) => output.note(line)),
  };
}

function tell(event: ClusterEvent, token: string, note: (line: string) => void): void {
  if (event.kind === "listening") {
    const address = event.address.replace(/^0\.0\.0\.0:/, `${hostname()}:`);
    note(`waiting for ${event.members} members; start each with:`);
    note(`  GLISSADE_TOKEN=${token} glissade worker --join ${address}`);
  }
  if (event.kind === "joined") note(`${event.name} joined from ${event.address}`);
  if (event.kind === "left") note(`${event.name} left`);
}
