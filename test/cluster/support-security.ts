/** Folders of credentials, and callers of every kind, for tests. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import {
  type Authority,
  createAuthority,
  createIdentity,
  initCluster,
  pemOf,
  type Validity,
} from "../../src/deploy/authority.ts";
import { type Credentials, openCredentials } from "../../src/engines/cluster/credentials.ts";
import type { Role } from "../../src/engines/cluster/roles.ts";
import { createClient, type MemberClient } from "../../src/engines/cluster/rpc.ts";
import { temporaryFolder } from "../e2e/support.ts";

/** A folder as `glissade cluster init` makes it. */
export async function secretsFolder(): Promise<string> {
  const folder = join(temporaryFolder(), "secrets");
  await initCluster(folder);
  return folder;
}

/** The credentials of a folder, until the test ends. */
export function credentialsIn(folder: string): Credentials {
  const credentials = openCredentials({
    ...{ token: null, tokenFile: null, credentials: folder },
    ...{ tlsCa: null, tlsCert: null, tlsKey: null, insecure: false },
  });
  onTestFinished(() => credentials.certificates?.[Symbol.dispose]());
  return credentials;
}

/** A folder of credentials by another hand: certificates of this authority, a token that is given. */
export async function forgedFolder(
  { authority, role, token, trust }: Forgery,
  validity?: Validity,
): Promise<string> {
  const folder = join(temporaryFolder(), "forged");
  mkdirSync(folder);
  const { certificate, key } = await createIdentity(authority, role, validity);
  writeFileSync(join(folder, "ca.pem"), trust ?? pemOf(authority.certificate));
  writeFileSync(join(folder, "cert.pem"), certificate);
  writeFileSync(join(folder, "key.pem"), key);
  writeFileSync(join(folder, "token"), token);
  return folder;
}

interface Forgery {
  readonly authority: Authority;
  readonly role: Role;
  readonly token: string;
  /** What it takes for the authority, as PEM; its own where it is not given. */
  readonly trust?: string;
}

/** An authority of somebody else's. */
export async function otherAuthority(): Promise<Authority> {
  return (await createAuthority()).authority;
}

/** A client until the test ends. */
export function clientOf(address: string, credentials: Credentials): MemberClient {
  const client = createClient(address, credentials);
  onTestFinished(() => client.close());
  return client;
}
