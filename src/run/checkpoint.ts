/**
 * Checkpoints of a run: `checkpoint-<rows>.safetensors` in its folder. The vectors are tensors, the exact numbers
 * JSON in the metadata, beside a checksum of all of it. A file appears whole or not at all; the last two are
 * kept, so that there is one to go back to should the newest not read back.
 */
import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  decodeTensors,
  encodeTensors,
  ModelFileError,
  type Tensors,
} from "../model/safetensors.ts";
import { version } from "../version.ts";
import { FileError, readBounded, writeFileAtomic } from "./files.ts";
import type { RunState } from "./run-state.ts";

const format = "glissade-checkpoint/1";
const keptMax = 2;
const checkpointBytesMax = 2 ** 31 - 1;
const namePattern = /^checkpoint-(\d{12,})\.safetensors$/;
const codec = {
  encode: (text: string) => new TextEncoder().encode(text),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

/** A checkpoint that cannot be gone on from; the message names it and says why. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/** Writes the state into the folder of a run and lets go of all but the last two; returns its path. */
export async function saveCheckpoint(folder: string, state: RunState): Promise<string> {
  const rows = String(state.solver.numbers.rows).padStart(12, "0");
  const path = join(folder, `checkpoint-${rows}.safetensors`);
  await writeFileAtomic(path, encodeCheckpoint(state));
  const names = await checkpointNames(folder);
  await Promise.all(names.slice(keptMax).map((name) => rm(join(folder, name), { force: true })));
  return path;
}

/** The newest checkpoint of a folder that reads back; null without any. `warn` hears of others. */
export async function loadCheckpoint(
  folder: string,
  warn: (message: string) => void,
): Promise<{ state: RunState; path: string } | null> {
  const names = await checkpointNames(folder);
  for (const [k, name] of names.entries()) {
    const path = join(folder, name);
    try {
      return { state: decodeCheckpoint(await readBounded(path, checkpointBytesMax)), path };
    } catch (error) {
      if (error instanceof FileError) throw error;
      if (!(error instanceof CheckpointError || error instanceof ModelFileError)) {
        throw new FileError(path, error, "read");
      }
      const before = names[k + 1];
      const instead = before ? `going back to ${join(folder, before)}` : "there is none before it";
      warn(`${path}: ${error.message}: ${instead}`);
    }
  }
  return null;
}

/** Names of a folder's checkpoints, the newest first. */
export async function checkpointNames(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => namePattern.test(name));
  const rowsOf = (name: string) => Number(namePattern.exec(name)![1]);
  return names.sort((a, b) => rowsOf(b) - rowsOf(a));
}

export function encodeCheckpoint(state: RunState): Uint8Array {
  const { solver, best, ...plain } = state;
  const { vectors, average, ...bestPlain } = best;
  const tensors: Record<string, { shape: number[]; data: Float32Array }> = {};
  const add = (name: string, data: Float32Array) => {
    tensors[name] = { shape: [data.length], data };
  };
  for (const [name, data] of Object.entries(solver.vectors)) add(`solver.${name}`, data);
  add("best.kept", vectors.kept);
  add("best.lastGood", vectors.lastGood);
  add("best.average", average);
  const text = writeExact({ ...plain, solver: { numbers: solver.numbers }, best: bestPlain });
  const metadata = { format, version, state: text, checksum: checksumOf(text, tensors) };
  return encodeTensors({ metadata, tensors }, codec);
}

/** @throws CheckpointError or ModelFileError when the bytes are no whole checkpoint of this version. */
export function decodeCheckpoint(bytes: Uint8Array): RunState {
  const { metadata, tensors } = decodeTensors(bytes, codec);
  if (metadata.format !== format) throw new CheckpointError("no checkpoint of glissade");
  if (metadata.version !== version) {
    throw new CheckpointError(`written by glissade ${metadata.version}, this is ${version}`);
  }
  const { state: text = "", checksum } = metadata;
  if (checksumOf(text, tensors) !== checksum) throw new CheckpointError("its checksum is wrong");
  for (const name of ["best.kept", "best.lastGood", "best.average"]) {
    if (!Object.hasOwn(tensors, name)) throw new CheckpointError(`it has no ${name}`);
  }
  const plain = readState(text) as Omit<RunState, "solver" | "best"> & {
    solver: { numbers: Record<string, number> };
    best: { cost: number; snapshots: number };
  };
  const vectors: Record<string, Float32Array> = {};
  for (const [name, { data }] of Object.entries(tensors)) {
    if (name.startsWith("solver.")) vectors[name.slice("solver.".length)] = data;
  }
  const tensor = (name: string) => tensors[name]!.data;
  return {
    ...plain,
    solver: { ...plain.solver, vectors },
    best: {
      ...plain.best,
      vectors: { kept: tensor("best.kept"), lastGood: tensor("best.lastGood") },
      average: tensor("best.average"),
    },
  };
}

function checksumOf(text: string, tensors: Tensors["tensors"]): string {
  const hash = createHash("sha256").update(text);
  for (const [name, { data }] of Object.entries(tensors)) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}

/** JSON has no infinities: the best cost before there is one. Other numbers read back as they were. */
function writeExact(value: unknown): string {
  return JSON.stringify(value, (_, x) =>
    typeof x === "number" && !Number.isFinite(x) ? { number: String(x) } : x,
  );
}

/** @throws CheckpointError when the state is none that a run can go on from. */
function readState(text: string): unknown {
  let state: unknown;
  try {
    state = readExact(text);
  } catch {
    throw new CheckpointError("its state is no JSON");
  }
  const { solver, best } = (state ?? {}) as Record<string, { numbers?: Record<string, unknown> }>;
  const numbers = Object.values(solver?.numbers ?? { none: null });
  if (!numbers.every((value) => typeof value === "number") || typeof best !== "object") {
    throw new CheckpointError("its state is none of a run");
  }
  return state;
}

function readExact(text: string): unknown {
  return JSON.parse(text, (_, x) =>
    typeof x === "object" && x !== null && typeof x.number === "string" ? Number(x.number) : x,
  );
}
