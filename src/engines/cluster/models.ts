/** Models on their way between processes. */
import type { Model } from "../../math/replica.ts";
import { readFrame } from "../../wire/frame.ts";

/**
 * The model in a frame; null for no bytes.
 * @throws RangeError for bytes that are no model.
 */
export function modelIn(bytes: Uint8Array): Model | null {
  if (bytes.byteLength === 0) return null;
  const read = readFrame(bytes);
  if ("fault" in read) throw new RangeError(`Cannot read a model that was sent: ${read.fault}`);
  const { rows, values } = read.body;
  if (typeof rows !== "number" || !(values instanceof Float32Array)) {
    throw new RangeError("Cannot read a model that was sent: it has no rows or no values");
  }
  return { rows, values };
}
