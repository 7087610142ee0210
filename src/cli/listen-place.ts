/** Where a process of a cluster listens, and what it tells others of it. */
import { networkInterfaces } from "node:os";
import type { Settings } from "../run/settings.ts";
import { UsageError } from "./command.ts";

type PlaceSettings = Pick<Settings, "listen" | "advertise" | "interface">;

/** At that port of `host` unless settings say otherwise; with --interface at its address, which is told too. */
export function placeFor(
  { listen, advertise, interface: name }: PlaceSettings,
  port: number,
  host = "0.0.0.0",
): { listen: string; advertise: string | null } {
  if (name === null) return { listen: listen ?? `${host}:${port}`, advertise };
  if (listen !== null) {
    throw new UsageError("--interface and --listen both say where to listen: give one of them");
  }
  const own = addressOf(name);
  return { listen: `${own}:${port}`, advertise: advertise ?? own };
}

function addressOf(name: string): string {
  const all = networkInterfaces();
  const own = all[name] ?? [];
  // Addresses of one link only (fe80:) mean nothing to others.
  const usable = own.filter(({ address }) => !address.startsWith("fe80:"));
  const chosen = usable.find(({ family }) => family === "IPv4") ?? usable[0];
  if (chosen) return chosen.family === "IPv6" ? `[${chosen.address}]` : chosen.address;
  const names = Object.keys(all).join(", ");
  throw new UsageError(
    own.length > 0
      ? `--interface: ${name} has no address that others reach`
      : `--interface: expected one of ${names}, found "${name}"`,
  );
}

/** Addresses at which other machines may reach this one. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith("fe80:"))
    .toSorted((a, b) => a.family.localeCompare(b.family))
    .map(({ address, family }) => (family === "IPv6" ? `[${address}]` : address));
}
