/**
 * What a process shows to others and asks of them: tokens by role, and certificates. Tokens come from the
 * environment or a file, never from a command line, and nothing that is written anywhere holds one.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { WatchedCertificates } from "./certificates.ts";
import { ClusterError } from "./cluster-error.ts";
import { type Role, roles } from "./roles.ts";

/** Secrets by role; a process holds those it was given. */
export type Tokens = Readonly<Partial<Record<Role, string>>>;

/** What a process shows and asks. */
export interface Credentials {
  /** None: nobody is asked for a token. */
  readonly tokens: Tokens;
  /** Null: plain text. */
  readonly certificates: WatchedCertificates | null;
  /** Said by the user: other addresses than this machine's need neither. */
  readonly insecure: boolean;
  /** Bytes of an answer that it takes of those it calls: the limit `message`, where it is not the usual one. */
  readonly messageMax?: number;
}

/** Where credentials lie. */
export interface CredentialSources {
  /** A word for all roles, or several as a token file has them. */
  readonly token: string | null;
  readonly tokenFile: string | null;
  /** A folder that `glissade cluster init` made, for whatever is not given by itself. */
  readonly credentials: string | null;
  readonly tlsCa: string | null;
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
  readonly insecure: boolean;
}

/** Files of a folder of credentials. */
export const credentialFiles = {
  ca: "ca.pem",
  certificate: "cert.pem",
  key: "key.pem",
  token: "token",
} as const;

/** Nothing to show, nothing asked: loopback. */
export const noCredentials: Credentials = { tokens: {}, certificates: null, insecure: false };

/** One word for every role. */
export function tokenForAll(token: string): Tokens {
  return { observe: token, work: token, admin: token };
}

/**
 * Reads tokens and certificates; the certificates' files are watched from here on.
 * @throws ClusterError that names the file and says what is wrong with it.
 */
export function openCredentials(sources: CredentialSources): Credentials {
  const { insecure, credentials: folder, tlsCa, tlsCert, tlsKey } = sources;
  const inFolder = (name: string) => (folder === null ? null : join(folder, name));
  const tokenFile = sources.tokenFile ?? (sources.token === null ? inFolder("token") : null);
  const tokens =
    tokenFile === null ? tokensIn(sources.token ?? "", "GLISSADE_TOKEN") : tokensOf(tokenFile);
  const files = {
    ca: tlsCa ?? inFolder(credentialFiles.ca),
    certificate: tlsCert ?? inFolder(credentialFiles.certificate),
    key: tlsKey ?? inFolder(credentialFiles.key),
  };
  const missing = Object.entries(files).filter(([, path]) => path === null);
  if (missing.length === 3) return { tokens, certificates: null, insecure };
  if (missing.length > 0) {
    throw new ClusterError(
      "TLS needs all three of --tls-ca, --tls-cert and --tls-key, or --credentials FOLDER with all of them",
    );
  }
  const { ca, certificate, key } = files as Record<keyof typeof files, string>;
  return { tokens, certificates: WatchedCertificates.open({ ca, certificate, key }), insecure };
}

function tokensOf(path: string): Tokens {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "no such file" : message;
    throw new ClusterError(`Cannot read the token file ${path}: ${why}`);
  }
  return tokensIn(text, path);
}

/**
 * Tokens in a text: one word for all roles, or lines such as `work: WORD`.
 * @throws ClusterError that says what a line must be, but not what it is.
 */
export function tokensIn(text: string, where: string): Tokens {
  const lines = text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (lines.length === 1 && wordPattern.test(lines[0]!)) return tokenForAll(lines[0]!);
  const tokens: Partial<Record<Role, string>> = {};
  for (const [number, line] of lines.entries()) {
    const [, name, word] = linePattern.exec(line) ?? [];
    const role = roles.find((one) => one === name);
    if (role === undefined || word === undefined || tokens[role] !== undefined) {
      throw new ClusterError(
        `${where}: token ${number + 1}: expected one word of letters, digits, - and _, or lines "observe: WORD", "work: WORD", "admin: WORD", each once`,
      );
    }
    tokens[role] = word;
  }
  return tokens;
}

const wordPattern = /^[\w.~+/=-]{1,512}$/;
const linePattern = /^(\w+):\s*([\w.~+/=-]{1,512})$/;

/** Variables by which a process that is started for a run gets what a worker needs, and no more. */
export function environmentFor({
  tokens,
  certificates,
  insecure,
}: Credentials): Record<string, string> {
  const { ca, certificate, key } = certificates?.files ?? { ca: "", certificate: "", key: "" };
  const work = tokens.work ?? tokens.admin;
  return {
    GLISSADE_TOKEN: work === undefined ? "" : `work: ${work}`,
    ...{ GLISSADE_TOKEN_FILE: "", GLISSADE_CREDENTIALS: "" },
    ...{ GLISSADE_TLS_CA: ca, GLISSADE_TLS_CERT: certificate, GLISSADE_TLS_KEY: key },
    ...(insecure ? { GLISSADE_INSECURE: "true" } : {}),
  };
}

/**
 * The token to show for a call. A member knows the token `work` before it knows any other, and nobody is
 * shown more than needed: so `work` is shown where it does, and the higher one only where nothing else would.
 */
export function tokenToShow({ observe, work, admin }: Tokens, needed: Role): string | undefined {
  if (needed === "admin") return admin ?? work ?? observe;
  return needed === "work" ? (work ?? admin ?? observe) : (work ?? observe ?? admin);
}
