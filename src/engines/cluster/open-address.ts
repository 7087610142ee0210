/** Where a process may listen, and whom it may call, without certificates and a token: this machine only. */
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import type { Credentials } from "./credentials.ts";

/** Away from this machine a token must be too long to be guessed. */
export const tokenLengthMin = 16;

/** Whether HOST:PORT, or each of several with commas between them, is one that only this machine reaches. */
export function isLoopback(address: string): boolean {
  return address.split(",").every((one) => {
    const host = hostIn(one.trim());
    return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
  });
}

/** Whether HOST:PORT is surely at another machine: an IP address that is none of this one's. */
export function isElsewhere(address: string, own: readonly string[]): boolean {
  const host = hostIn(address);
  return isIP(host) !== 0 && !isLoopback(address) && !own.includes(host);
}

/** IP addresses of this machine: every one asked anew, as interfaces come and go. */
export function addressesHere(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).map(({ address }) => address),
  );
}

/** An IPv4 address stays one where a socket of both kinds tells it as an IPv6 address (RFC 4291, section 2.5.5.2). */
function hostIn(address: string): string {
  return address
    .replace(/^dns:/, "")
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "")
    .toLowerCase()
    .replace(/^::ffff:(?=\d+\.)/, "");
}

/**
 * Why a process must not listen at, or call, this address with these credentials, in words that say what to
 * do; null when it may.
 */
export function refuseOpen(
  address: string,
  { tokens, certificates, insecure }: Credentials,
  what: "listen at" | "join" | "call",
): string | null {
  if (insecure || isLoopback(address)) return null;
  const words = Object.values(tokens);
  const lacks = [
    ...(certificates === null ? ["TLS certificates"] : []),
    ...(words.length === 0 ? ["a token"] : []),
  ];
  if (lacks.length > 0) {
    return `Cannot ${what} ${address} without ${lacks.join(" and ")}, as others than this machine are on the way there: run "glissade cluster init FOLDER" once and give each process its part of it by --credentials FOLDER/admin, FOLDER/work or FOLDER/observe (or --tls-ca, --tls-cert, --tls-key and --token-file of your own), ${what === "listen at" ? "listen at 127.0.0.1, " : ""}or say --insecure if nobody else can reach this network`;
  }
  if (words.some((word) => word.length < tokenLengthMin)) {
    return `Cannot ${what} ${address} as a token is shorter than ${tokenLengthMin} characters and could be guessed: let glissade cluster init make one`;
  }
  return null;
}
