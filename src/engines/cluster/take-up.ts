/** A coordinator that is started again for a run: does anybody of that run still live, to go on with? */
import { ClusterError } from "./cluster-error.ts";
import type { Credentials } from "./credentials.ts";
import { Cluster } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { probeSecondsMax, reconnectMsMax, returnSeconds } from "./limits.ts";
import { CallError, callUnary, createClient } from "./rpc.ts";
import { decodeSaved, type SavedRun, type StateStore } from "./saved-run.ts";
import { pause } from "./wait.ts";

/** What the coordinator before left, and whether members of its run still live. */
export interface Inheritance {
  readonly saved: SavedRun;
  readonly alive: boolean;
}

/**
 * Reads what the coordinator before left; null when it left nothing. A damaged state is told of, and the one before
 * it taken.
 * @throws ClusterError when none of them can be read, or the settings were others.
 */
export async function inheritance(
  store: StateStore,
  { settings, credentials }: { readonly settings: string; readonly credentials: Credentials },
): Promise<Inheritance | null> {
  const saved = readNewest(await store.read(), (line) => store.warn(line));
  if (saved === null) return null;
  if (saved.identity.settings !== settings) {
    throw new ClusterError(
      "Cannot take the run up as its settings were others: resume it with those, or start anew",
    );
  }
  return { saved, alive: await isAnybodyAlive(saved, credentials) };
}

function readNewest(
  kept: readonly { readonly name: string; readonly text: string }[],
  warn: (line: string) => void,
): SavedRun | null {
  let problem: unknown = null;
  for (const [k, { name, text }] of kept.entries()) {
    try {
      return decodeSaved(text, name);
    } catch (error) {
      problem = error;
      const before = kept[k + 1];
      if (before) warn(`${(error as Error).message}: going back to ${before.name}`);
    }
  }
  if (problem === null) return null;
  throw problem;
}

/**
 * Whether a member of that run answers. Where all ports are closed nobody lives; who only does not answer may be
 * cut off, and is asked for a while.
 */
async function isAnybodyAlive(saved: SavedRun, credentials: Credentials): Promise<boolean> {
  const entries = saved.roster.entries.filter(({ state }) => state !== "dead" && state !== "left");
  const until = performance.now() + 1000 * returnSeconds;
  for (;;) {
    const answers = await Promise.all(
      entries.map(({ address }) => lifeAt(address, saved.identity.run, credentials)),
    );
    if (answers.includes("alive")) return true;
    if (!answers.includes("silent") || performance.now() > until) return false;
    await pause({ whom: "members of the run", secondsMax: reconnectMsMax / 1000 });
  }
}

/** Whether a process of that run answers there: `gone` where nobody listens, or another run. */
export async function lifeAt(
  address: string,
  run: string,
  credentials: Credentials,
): Promise<"alive" | "gone" | "silent"> {
  const client = createClient(address, credentials);
  try {
    const call = { method: Cluster.method.status, request: {}, secondsMax: probeSecondsMax };
    const { handshake } = await callUnary(client, call);
    return handshake?.run === run ? "alive" : "gone";
  } catch (error) {
    const closed = error instanceof CallError && /ECONNREFUSED/.test(error.words);
    return closed ? "gone" : "silent";
  } finally {
    client.close();
  }
}
