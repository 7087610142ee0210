/** What the settings of a command say of tokens and certificates. */
import type { Credentials } from "../engines/cluster/credentials.ts";
import { refuseOpen } from "../engines/cluster/open-address.ts";
import { type CommandContext, UsageError } from "./command.ts";

type Settings = CommandContext["settings"];

/** Settings that say what to show to others. */
export const credentialSettings = [
  ...(["token", "tokenFile", "credentials", "tlsCa", "tlsCert", "tlsKey", "insecure"] as const),
];

/**
 * The credentials to use at, or with, this address.
 * @throws UsageError when the address needs more than there is, in words that say what to do.
 */
export async function credentialsFor(
  settings: Settings,
  address: string,
  what: "listen at" | "join" | "call",
): Promise<Credentials> {
  // With it comes the package that clusters need, which commands without a cluster do without.
  const { openCredentials } = await import("../engines/cluster/credentials.ts");
  const credentials = openCredentials(settings);
  const refused = refuseOpen(address, credentials, what);
  if (refused !== null) throw new UsageError(refused);
  return credentials;
}
