/** Settings that protect a cluster: tokens, certificates, limits. */
import {
  type LimitName,
  type Limits,
  limitDefaults,
  limitTable,
} from "../engines/cluster/protection.ts";
import { readChoice, readList, readNumber, readSize, readTime } from "./grammar.ts";
import { flag, grammar, type Input, isRecord, scalar, text } from "./setting-fields.ts";

/** Settings of whoever shows or asks for credentials. */
export const securityShape = {
  token: text(null).meta({
    group: "cluster",
    syntax: "WORD",
    defaultText: "none; refused as a flag",
    description: "who may join, ask and stop: only as GLISSADE_TOKEN or in a file of settings",
  }),
  tokenFile: text(null).meta({
    group: "cluster",
    syntax: "FILE",
    description: "the same in a file: one word, or lines observe: WORD, work: WORD, admin: WORD",
  }),
  credentials: text(null).meta({
    group: "cluster",
    syntax: "FOLDER",
    description: "certificates and token that glissade cluster init made",
  }),
  tlsCa: text(null).meta({
    group: "cluster",
    syntax: "FILE",
    description: "PEM file of the authority whose certificates others must show",
  }),
  tlsCert: text(null).meta({
    group: "cluster",
    syntax: "FILE",
    description: "PEM file of the certificate to show",
  }),
  tlsKey: text(null).meta({
    group: "cluster",
    syntax: "FILE",
    description: "PEM file of its private key",
  }),
  insecure: flag(false).meta({
    group: "cluster",
    syntax: "",
    description: "plain text and no token on a network that nobody else reaches",
  }),
  limits: grammar<Limits, string>(limitDefaults, readLimits).meta({
    group: "cluster",
    syntax: "NAME=N,...",
    defaultText: "see security.md",
    description: "limits that protect a process from others, as in message=1GiB,joins=60",
  }),
};

const readers = { bytes: readSize, seconds: readTime, count: readCount, size: readAmount } as const;

function readLimits(input: Input): Limits {
  const given = isRecord(input)
    ? Object.entries(input).map(([name, value]) => [name, value as string | number] as const)
    : (Array.isArray(input) ? input.map(String) : readList(String(scalar(input)))).map(readPair);
  const limits: Record<LimitName, number> = { ...limitDefaults };
  for (const [key, value] of given) {
    const name = readChoice(key, Object.keys(limitTable) as LimitName[]);
    limits[name] = readers[limitTable[name].unit](value);
  }
  return limits;
}

function readPair(item: string): readonly [string, string] {
  const equals = item.indexOf("=");
  if (equals < 1) throw new RangeError(`expected NAME=N such as message=1GiB, found "${item}"`);
  return [item.slice(0, equals).trim(), item.slice(equals + 1).trim()];
}

function readCount(value: string | number): number {
  return readNumber(value, { min: 1, integer: true });
}

function readAmount(value: string | number): number {
  return readNumber(value, { above: 0 });
}
