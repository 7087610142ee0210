/**
 * A file of faults for `glissade simulate --faults`: YAML, or JSON, which is YAML too. docs/faults.md shows one.
 * What can't be read is told with the file and the entry.
 */
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";
import type { Fault } from "../engines/simulator/faults.ts";
import { FileError } from "./files.ts";
import { readTime } from "./grammar.ts";

/** What happens to members in a simulation, and how often they tell each other that they live. */
export interface FaultPlan {
  readonly faults: readonly Fault[];
  /** Null: as the network's latency suggests. */
  readonly beatSeconds: number | null;
}

const time = z.union([z.string(), z.number()]).transform((text, context) => {
  try {
    return readTime(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});
const rank = z.number().int().nonnegative();
const who = { at: time, member: rank.optional(), members: z.array(rank).min(1).optional() };
const plain = z.enum(["crash", "restart", "join", "leave", "lose"]);

const entrySchema = z.union([
  z.strictObject({ ...who, kind: plain }),
  z.strictObject({ ...who, kind: z.enum(["pause", "cut", "cut-pair"]), for: time }),
  z.strictObject({ ...who, kind: z.enum(["slow", "slow-link"]), times: z.number().positive() }),
]);
const fileSchema = z.strictObject({ beat: time.optional(), faults: z.array(z.unknown()) });

/** @throws FileError when the file cannot be read, RangeError when an entry is none; both name the file. */
export async function readFaultFile(path: string): Promise<FaultPlan> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new FileError(path, error, "read");
  }
  return parseFaults(path, text);
}

/** The plan that a text is; `path` is for messages. */
export function parseFaults(path: string, text: string): FaultPlan {
  const file = fileSchema.safeParse(yamlOf(path, text));
  if (!file.success) {
    const [issue] = file.error.issues;
    const where = issue?.path.join(".") || "file";
    throw new RangeError(
      `${path}: expected "faults:" with a list under it, and "beat:" if you like: ${where}: ${issue?.message}`,
    );
  }
  const faults = file.data.faults.flatMap((entry, k) => readEntry(path, entry, k + 1));
  return {
    faults: faults.sort((a, b) => a.at - b.at),
    beatSeconds: file.data.beat ?? null,
  };
}

function yamlOf(path: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    const [line] = (error as Error).message.split("\n");
    throw new RangeError(`${path}: expected YAML or JSON: ${line}`);
  }
}

function readEntry(path: string, entry: unknown, number: number): Fault[] {
  const read = entrySchema.safeParse(entry);
  const found = JSON.stringify(entry);
  if (!read.success) {
    throw new RangeError(
      `${path}: fault ${number}: expected { at: 10ms, kind: crash, member: 3 }, with kind crash, restart, join, leave, lose; pause, cut or cut-pair (and for: 50ms); slow or slow-link (and times: 10), found ${found}`,
    );
  }
  const { at, member, members } = read.data;
  const ranks = members ?? (member === undefined ? [] : [member]);
  if (ranks.length === 0) {
    throw new RangeError(`${path}: fault ${number}: expected member or members, found ${found}`);
  }
  const { data } = read;
  if (data.kind === "cut-pair" && new Set(ranks).size !== 2) {
    throw new RangeError(
      `${path}: fault ${number}: expected two members, as in members: [0, 1], found ${found}`,
    );
  }
  if (data.kind === "cut" || data.kind === "cut-pair") {
    return [{ at, kind: data.kind, ranks, seconds: data.for }];
  }
  return ranks.map((one): Fault => {
    switch (data.kind) {
      case "pause":
        return { at, kind: "pause", rank: one, seconds: (data as { for: number }).for };
      case "slow":
      case "slow-link":
        return { at, kind: data.kind, rank: one, factor: (data as { times: number }).times };
      default:
        return { at, kind: data.kind as z.output<typeof plain>, rank: one };
    }
  });
}
