/**
 * A certificate authority of one's own, for one cluster: makes the authority, and for each role a folder with
 * what a process of that role needs: certificates, key and token. Keys are made by WebCrypto (ECDSA, P-256) and are
 * readable by their owner only.
 */
import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { memberName } from "../engines/cluster/certificates.ts";
import { ClusterError } from "../engines/cluster/cluster-error.ts";
import { credentialFiles } from "../engines/cluster/credentials.ts";
import { type Role, roles } from "../engines/cluster/roles.ts";

const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256" } as const;
const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" } as const;
const dayMs = 86_400_000;
const authorityDays = 3650;
/** Browsers refuse longer ones; a cluster should not want them either. */
export const certificateDays = 397;
/** Clocks of machines differ. */
const clockMs = 3_600_000;
const authorityFolder = "authority";
const authorityKey = "ca-key.pem";

cryptoProvider.set(webcrypto as never);

/** An authority: its certificate, and the key that signs others. */
export interface Authority {
  readonly certificate: X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

/** A certificate and its key, as PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** For how long a certificate holds. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * Makes the folder: an authority, and a folder for each role.
 * @throws ClusterError when there is something in it already.
 */
export async function initCluster(folder: string): Promise<void> {
  makeFolder(folder);
  if (readdirSync(folder).length > 0) {
    throw new ClusterError(
      `${folder} is not empty: give a new folder, or make new certificates in this one by glissade cluster renew ${folder}`,
    );
  }
  const { authority, key } = await createAuthority();
  makeFolder(join(folder, authorityFolder));
  writeSecret(join(folder, authorityFolder, credentialFiles.ca), pemOf(authority.certificate));
  writeSecret(join(folder, authorityFolder, authorityKey), key);
  const words = roles.map((role) => `${role}: ${randomBytes(24).toString("base64url")}`);
  for (const [k, role] of roles.entries()) {
    makeFolder(join(folder, role));
    const own = role === "admin" ? words : [words[k]!];
    writeSecret(join(folder, role, credentialFiles.token), `${own.join("\n")}\n`);
  }
  await writeIdentities(folder, authority);
}

/**
 * Makes new certificates and keys in a folder that `initCluster` made; tokens stay. Processes that use
 * these files take them for new connections within seconds.
 * @throws ClusterError when the authority is not there.
 */
export async function renewCluster(folder: string): Promise<void> {
  await writeIdentities(folder, await readAuthority(folder));
}

/** A new authority, and its key as PEM. */
export async function createAuthority(): Promise<{ authority: Authority; key: string }> {
  const keys = await createKeys();
  const validity = validFor(authorityDays);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...validity,
    serialNumber: serialNumber(),
    name: "CN=glissade cluster authority",
    signingAlgorithm,
    keys: keys as never,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey as never),
    ],
  });
  return { authority: { certificate, key: keys.privateKey }, key: await pemOfKey(keys.privateKey) };
}

/** A certificate for members, as server and as client. */
export async function createIdentity(
  { certificate, key }: Authority,
  role: Role,
  validity: Validity = validFor(certificateDays),
): Promise<Identity> {
  const keys = await createKeys();
  const made = await X509CertificateGenerator.create({
    ...validity,
    serialNumber: serialNumber(),
    subject: `CN=glissade ${role}`,
    issuer: certificate.subject,
    publicKey: keys.publicKey as never,
    signingKey: key as never,
    signingAlgorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([{ type: "dns", value: memberName }]),
      await AuthorityKeyIdentifierExtension.create(certificate.publicKey),
      await SubjectKeyIdentifierExtension.create(keys.publicKey as never),
    ],
  });
  return { certificate: pemOf(made), key: await pemOfKey(keys.privateKey) };
}

/** The certificate as PEM. */
export function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

function createKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"]);
}

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

async function readAuthority(folder: string): Promise<Authority> {
  try {
    const read = (name: string) => readFileSync(join(folder, authorityFolder, name), "utf8");
    const [pkcs8] = PemConverter.decode(read(authorityKey));
    const key = await webcrypto.subtle.importKey("pkcs8", pkcs8!, keyAlgorithm, false, ["sign"]);
    return { certificate: new X509Certificate(read(credentialFiles.ca)), key };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ClusterError(
      `${join(folder, authorityFolder)} holds no authority of glissade cluster init (${reason})`,
    );
  }
}

async function writeIdentities(folder: string, authority: Authority): Promise<void> {
  for (const role of roles) {
    const { certificate, key } = await createIdentity(authority, role);
    const path = (name: string) => join(folder, role, name);
    writeSecret(path(credentialFiles.ca), pemOf(authority.certificate));
    writeSecret(path(credentialFiles.key), key);
    writeSecret(path(credentialFiles.certificate), certificate);
  }
}

function validFor(days: number): Validity {
  const now = Date.now();
  return { notBefore: new Date(now - clockMs), notAfter: new Date(now + days * dayMs) };
}

function serialNumber(): string {
  // Positive, as the format asks: the first bit is 0.
  return `01${randomBytes(15).toString("hex")}`;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** Readers see the old file or the new one; nobody but the owner sees either. */
function writeSecret(path: string, text: string): void {
  try {
    const temporary = `${path}.tmp`;
    writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, error: unknown): ClusterError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ClusterError(`Cannot write ${path}: ${reason}`);
}
