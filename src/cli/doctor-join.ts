/**
 * What a worker that joins goes through, one step after the other: names, ports there, token and version, and
 * whether it is reached from there. What fails first explains the rest.
 */
import { connect } from "node:net";
import type { Credentials } from "../engines/cluster/credentials.ts";
import { createGuard } from "../engines/cluster/guard.ts";
import { isLoopback } from "../engines/cluster/open-address.ts";
import { limitDefaults } from "../engines/cluster/protection.ts";
import {
  askReach,
  askStatus,
  type ReachReply,
  type StatusReply,
} from "../engines/cluster/public.ts";
import { Refusal } from "../engines/cluster/refusal.ts";
import { ClusterServer } from "../engines/cluster/server.ts";
import { readTargets, resolveTargets } from "../engines/cluster/targets.ts";
import type { Settings } from "../run/settings.ts";
import { version } from "../version.ts";
import type { Finding } from "./doctor.ts";
import { placeFor } from "./listen-place.ts";

/** A port that answers at all does within this time. */
const dialMsMax = 3000;
/** Clocks are not used to agree on anything, but logs and certificates of hosts that differ by more mislead. */
const skewSecondsMax = 5;

type PlaceSettings = Pick<Settings, "listen" | "advertise" | "portRange" | "interface">;

/** Everything between here and the run. */
export async function joinFindings(
  join: string,
  settings: PlaceSettings,
  credentials: Credentials,
): Promise<Finding[]> {
  // Every name is meant here: a person wants to see where each leads.
  const everywhere = readTargets(join).map(({ host, port }) => `dns:${host}:${port}`);
  const { addresses, failed } = await resolveTargets(everywhere.join(","));
  const name = {
    name: "name",
    ok: addresses.length > 0 && failed.length === 0,
    text: [...(addresses.length > 0 ? [nameText(join, addresses)] : []), ...failed].join("; "),
  };
  if (addresses.length === 0) return [name];
  const ports = await Promise.all(addresses.map(dial));
  const open = addresses.filter((_, k) => ports[k]!.ok);
  const findings = [name, ...ports];
  for (const address of open) {
    const asked = await ask(address, credentials);
    findings.push(...asked.findings);
    if (asked.isCoordinator) {
      findings.push(...(await dialledBack(address, settings, credentials)));
      return findings.map((finding) =>
        ports.includes(finding) ? { ...finding, ok: true } : finding,
      );
    }
  }
  return findings;
}

function nameText(join: string, addresses: readonly string[]): string {
  const found = addresses.join(", ");
  return found === join ? `${join} needs no look-up` : `${join} is ${found}`;
}

/** Whether anybody takes connections at that address. */
function dial(address: string): Promise<Finding> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  const began = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(address.slice(colon + 1)), timeout: dialMsMax });
    const end = (ok: boolean, text: string) => {
      socket.destroy();
      resolve({ name: "port there", ok, text: `${address} ${text}` });
    };
    socket.on("connect", () =>
      end(true, `takes connections (${(performance.now() - began).toFixed(0)} ms)`),
    );
    socket.on("timeout", () =>
      end(false, `does not answer within ${dialMsMax / 1000} s: is a firewall between?`),
    );
    socket.on("error", ({ message }) =>
      end(false, `takes none (${message}): is the coordinator running, at that port?`),
    );
  });
}

async function ask(
  address: string,
  credentials: Credentials,
): Promise<{ findings: Finding[]; isCoordinator: boolean }> {
  const began = performance.now();
  try {
    const status = await askStatus({ address, credentials });
    const text = `${address} answers in ${(performance.now() - began).toFixed(0)} ms: ${status.role}, ${status.state}`;
    const findings = [{ name: "coordinator", ok: true, text }, versionFinding(status)];
    return { findings, isCoordinator: status.role === "coordinator" };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { findings: [{ name: "coordinator", ok: false, text }], isCoordinator: false };
  }
}

function versionFinding({ handshake }: StatusReply): Finding {
  const theirs = handshake?.version ?? "unknown";
  const text = theirs === version ? theirs : `${theirs} there, ${version} here: install the same`;
  return { name: "version", ok: theirs === version, text };
}

/** Listens as a worker would, and has the coordinator dial back. */
async function dialledBack(
  address: string,
  settings: PlaceSettings,
  credentials: Credentials,
): Promise<Finding[]> {
  const host = isLoopback(address) ? "127.0.0.1" : "0.0.0.0";
  const { listen, advertise } = placeFor(settings, 0, host);
  const no = (): never => {
    throw new Refusal("this is glissade doctor, and no member");
  };
  try {
    await using server = await ClusterServer.listen({
      ...{ listen, portRange: settings.portRange },
      guard: createGuard(credentials, limitDefaults, () => {}),
      handlers: {
        ...{ join: async () => no(), rows: no, snapshot: async () => no(), stop: async () => no() },
        ...{ status: () => ({ role: "doctor" }), exchange: no },
      },
    });
    const before = Date.now() / 1000;
    const told = advertise === null ? "" : advertise.replace(/:\d+$/, "");
    const reply = await askReach({ address, credentials }, `${told}:${server.port}`);
    return [reachFinding(reply), clockFinding(reply, before, Date.now() / 1000)];
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [{ name: "port here", ok: false, text }];
  }
}

function reachFinding({ seen, dialled, refusal }: ReachReply): Finding {
  const ok = refusal === "";
  const text = ok
    ? `the coordinator sees ${seen} and reaches ${dialled}`
    : `the coordinator says: ${refusal}`;
  return { name: "port here", ok, text };
}

/** Their clock read somewhere between our two: only what lies outside is a difference. */
function clockFinding({ clock }: ReachReply, before: number, after: number): Finding {
  const skew = clock < before ? clock - before : Math.max(0, clock - after);
  const ok = Math.abs(skew) <= skewSecondsMax;
  const text = `${Math.abs(skew).toFixed(1)} s ${skew < 0 ? "behind" : "ahead of"} this one`;
  const advice = ": set the clocks by NTP, or times in logs and certificates will mislead";
  return { name: "clock there", ok, text: skew === 0 ? "as here" : `${text}${ok ? "" : advice}` };
}
