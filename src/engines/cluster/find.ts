/** Finds the coordinator among all places it may be at. */
import { ClusterError } from "./cluster-error.ts";
import type { Credentials } from "./credentials.ts";
import { Cluster } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { joinSecondsMax, probeSecondsMax, reconnectMsMax, reconnectMsMin } from "./limits.ts";
import { CallError, callUnary, createClient } from "./rpc.ts";
import { type Lookup, readTargets, resolveTargets } from "./targets.ts";
import { pause } from "./wait.ts";

interface Search {
  readonly join: string;
  readonly credentials: Credentials;
  readonly log: (line: string) => void;
  readonly lookup?: Lookup;
  readonly secondsMax?: number;
}

interface Answer {
  readonly address: string;
  /** What it says it is; null: it did not answer. */
  readonly role: string | null;
  readonly error: Error | null;
}

/**
 * The address of the coordinator. Every place is asked at each attempt, and names are looked up again before
 * the next: other members may be behind the same name, and the coordinator may not be there yet.
 * @throws CallError of the one that answered and said no, or when nobody answered within the time limit.
 */
export async function findRun(search: Search): Promise<string> {
  const { join, lookup, log, secondsMax = joinSecondsMax } = search;
  const targets = readTargets(join);
  // One place only: whoever joins asks there itself, and again until it is there.
  if (targets.length === 1 && !targets[0]!.all) return join.trim();
  const until = Date.now() + 1000 * secondsMax;
  let told = "";
  for (let waitMs = reconnectMsMin; ; waitMs = Math.min(reconnectMsMax, 2 * waitMs)) {
    const { addresses, failed } = await resolveTargets(join, lookup);
    const answers = await Promise.all(addresses.map((address) => ask(address, search.credentials)));
    const found = answers.find(({ role }) => role === "coordinator");
    if (found) return found.address;
    const refused = answers.find(
      ({ error }) => error instanceof CallError && error.code !== "unreachable",
    );
    if (refused) throw refused.error!;
    if (Date.now() > until) {
      const reasons = [...failed, ...answers.map(reasonOf)].join("; ");
      throw new ClusterError(`No coordinator answered at ${join} for ${secondsMax} s: ${reasons}`);
    }
    const line = `no coordinator at ${join} yet, asked ${addresses.join(", ") || "nobody"}; trying for ${secondsMax} s`;
    if (line !== told) log(line);
    told = line;
    await pause({ whom: `the coordinator at ${join}`, secondsMax: waitMs / 1000 });
  }
}

function reasonOf({ address, role, error }: Answer): string {
  return error ? error.message : `${address} is a ${role}`;
}

async function ask(address: string, credentials: Credentials): Promise<Answer> {
  const client = createClient(address, credentials);
  try {
    const { role } = await callUnary(client, {
      method: Cluster.method.status,
      request: {},
      secondsMax: probeSecondsMax,
    });
    return { address, role, error: null };
  } catch (error) {
    return {
      address,
      role: null,
      error: error instanceof Error ? error : new Error(String(error)),
    };
  } finally {
    client.close();
  }
}
