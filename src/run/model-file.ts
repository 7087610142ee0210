/** Model files on disk: the bytes are model/safetensors.ts, the writing is atomic. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { LinearModel } from "../model/model.ts";
import { decodeModel, encodeModel, ModelFileError, type TextCodec } from "../model/safetensors.ts";
import { readBounded, writeFileAtomic } from "./files.ts";

/** A model of 250 million columns, and its names. */
const modelFileBytesMax = 2 ** 31 - 1;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const codec: TextCodec = {
  encode: (text) => encoder.encode(text),
  decode: (bytes) => decoder.decode(bytes),
};

/**
 * Reads a model file.
 * @throws FileError when it cannot be read, ModelFileError when it is no model of ours; both name the file.
 */
export async function loadModel(path: string): Promise<LinearModel> {
  const bytes = await readBounded(path, modelFileBytesMax);
  try {
    return decodeModel(bytes, codec);
  } catch (error) {
    if (!(error instanceof ModelFileError)) throw error;
    throw new ModelFileError(error.code, `${path}: ${error.message}`);
  }
}

/**
 * Writes a model file: readers see the old or the new one, never half of it.
 * @throws FileError
 */
export async function saveModel(model: LinearModel, path: string): Promise<void> {
  await writeFileAtomic(path, encodeModel(model, codec));
}

/** Whether a file looks like a safetensors file: a header length, then a JSON object. */
export function isModelFile(path: string): boolean {
  const head = Buffer.alloc(9);
  try {
    const file = openSync(path, "r");
    try {
      if (!fstatSync(file).isFile() || readSync(file, head, 0, 9, 0) < 9) return false;
    } finally {
      closeSync(file);
    }
  } catch {
    // Whoever reads it next says what is wrong with it.
    return false;
  }
  return head[8] === "{".charCodeAt(0) && head.readBigUInt64LE(0) < 2n ** 32n;
}
