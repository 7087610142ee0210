/**
 * Certificates of a process: three files that are read again every second, so that new ones serve new
 * connections without a restart. Files that do not belong together, as in the middle of a change, are passed
 * over until they do. Both sides of every connection show a certificate of the same authority.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import {
  ChannelCredentials,
  type ChannelOptions,
  experimental,
  ServerCredentials,
} from "@grpc/grpc-js";
import { ClusterError } from "./cluster-error.ts";

/** Paths of PEM files. */
export interface CertificateFiles {
  /** The authority that signed all members' certificates; several while it is being changed. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** The name that certificates of `glissade cluster init` carry: members are found by address, not by name. */
export const memberName = "member.glissade.internal";

const rereadMs = 1_000;

interface Loaded {
  readonly ca: Buffer;
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
}

type Provider = experimental.CertificateProvider;
type CaListener = experimental.CaCertificateUpdateListener;
type IdentityListener = experimental.IdentityCertificateUpdateListener;

/** Owns the timer that reads the files again, until it is disposed. */
export class WatchedCertificates implements Provider {
  readonly files: CertificateFiles;
  readonly #caListeners = new Set<CaListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  #loaded: Loaded;
  readonly #timer: NodeJS.Timeout;
  /** How often other files were taken over. */
  changes = 0;

  private constructor(files: CertificateFiles, loaded: Loaded) {
    this.files = files;
    this.#loaded = loaded;
    this.#timer = setInterval(() => this.reread(), rereadMs).unref();
  }

  /** @throws ClusterError that names the file and says what is wrong with it. */
  static open(files: CertificateFiles): WatchedCertificates {
    const loaded = load(files);
    const problem = problemOf(loaded, files);
    if (problem !== null) throw new ClusterError(problem);
    return new WatchedCertificates(files, loaded);
  }

  /** Takes over files that changed and belong together; whether it did. */
  reread(): boolean {
    let next: Loaded;
    try {
      next = load(this.files);
    } catch {
      return false;
    }
    const { ca, certificate, privateKey } = this.#loaded;
    const same =
      next.ca.equals(ca) &&
      next.certificate.equals(certificate) &&
      next.privateKey.equals(privateKey);
    if (same || problemOf(next, this.files) !== null) return false;
    this.#loaded = next;
    this.changes++;
    for (const listener of this.#caListeners) listener(this.#ca);
    for (const listener of this.#identityListeners) listener(this.#identity);
    return true;
  }

  get #ca() {
    return { caCertificate: this.#loaded.ca };
  }

  get #identity() {
    const { certificate, privateKey } = this.#loaded;
    return { certificate, privateKey };
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener);
    // Later: gRPC adds a listener before it is ready to be told.
    process.nextTick(() => listener(this.#ca));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener);
    process.nextTick(() => listener(this.#identity));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** How a server meets its callers. */
export function serverCredentials(certificates: WatchedCertificates | null): ServerCredentials {
  if (certificates === null) return ServerCredentials.createInsecure();
  return experimental.createCertificateProviderServerCredentials(certificates, certificates, true);
}

/** How a client meets the server at HOST:PORT, and the options that go with it. */
export function channelCredentials(
  certificates: WatchedCertificates | null,
  address: string,
): { readonly credentials: ChannelCredentials; readonly options: ChannelOptions } {
  if (certificates === null)
    return { credentials: ChannelCredentials.createInsecure(), options: {} };
  const host = address
    .replace(/^dns:/, "")
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "");
  const credentials = experimental.createCertificateProviderChannelCredentials(
    certificates,
    certificates,
    { checkServerIdentity: (_, certificate) => checkIdentity(host, certificate) },
  );
  return { credentials, options: { "grpc.ssl_target_name_override": memberName } };
}

/** A member's certificate carries the name of the host that was dialled, or the name of all members. */
export function checkIdentity(host: string, certificate: PeerCertificate): Error | undefined {
  const names = (certificate.subjectaltname ?? "").split(", ");
  if (names.includes(`DNS:${memberName}`)) return undefined;
  return checkServerIdentity(host, certificate);
}

function load({ ca, certificate, key }: CertificateFiles): Loaded {
  return { ca: read(ca), certificate: read(certificate), privateKey: read(key) };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "no such file" : message;
    throw new ClusterError(
      `Cannot read ${path}: ${why}: make it with glissade cluster init FOLDER`,
    );
  }
}

/** Why these files can't serve, in words. */
function problemOf(loaded: Loaded, files: CertificateFiles): string | null {
  const certificate = parsed(() => new X509Certificate(loaded.certificate));
  if (certificate === null) return `${files.certificate} holds no certificate in PEM form`;
  if (parsed(() => new X509Certificate(loaded.ca)) === null) {
    return `${files.ca} holds no certificate in PEM form`;
  }
  const key = parsed(() => createPrivateKey(loaded.privateKey));
  if (key === null) return `${files.key} holds no private key in PEM form without a passphrase`;
  if (!certificate.checkPrivateKey(key)) {
    return `${files.key} is not the key of the certificate ${files.certificate}`;
  }
  if (Date.parse(certificate.validTo) < Date.now()) {
    return `${files.certificate} expired on ${certificate.validTo}: make another with glissade cluster renew FOLDER`;
  }
  return null;
}

function parsed<Value>(parse: () => Value): Value | null {
  try {
    return parse();
  } catch {
    return null;
  }
}
