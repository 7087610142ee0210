/**
 * CSR files, as bench/peers/rows.h reads them: u32 rows, non-zeros, width; then rowStart and index
 * (u32), value and label (f32). Index 0 is the feature that the text numbers 1; labels are -1 and
 * 1.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";

const partBytes = 1 << 28;

/** Reads svmlight text by glissade's own parser and writes it as a CSR file. */
export async function csrOfText(text, target) {
  const { loadDataset } = await import("../../dist/index.js");
  const data = await loadDataset(text, { indexBase: 1 });
  const { blocks } = data;
  const rows = blocks.reduce((sum, block) => sum + block.rows, 0);
  const nonZeros = blocks.reduce((sum, block) => sum + block.nonZeros, 0);
  const rowStart = new Uint32Array(rows + 1);
  const index = new Uint32Array(nonZeros);
  const value = new Float32Array(nonZeros);
  const label = new Float32Array(rows);
  let row = 0;
  let at = 0;
  for (const block of blocks) {
    for (let k = 0; k < block.rows; k++) {
      rowStart[row] = at + block.rowStart[k];
      label[row++] = block.label[k] > 0 ? 1 : -1;
    }
    for (let k = 0; k < block.nonZeros; k++) index[at + k] = block.index[k] - 1;
    value.set(block.value, at);
    at += block.nonZeros;
  }
  rowStart[rows] = at;
  const file = openSync(target, "w");
  const head = Uint32Array.of(rows, nonZeros, data.width - 1);
  for (const part of [head, rowStart, index, value, label]) writeAll(file, part);
  closeSync(file);
}

export function readCsr(path) {
  const file = openSync(path, "r");
  const { size } = fstatSync(file);
  const head = readInto(file, new Uint32Array(3));
  const [rows, nonZeros, width] = head;
  if (size !== 12 + 4 * (2 * rows + 1 + 2 * nonZeros)) throw new Error(`${path} is no CSR file`);
  const rowStart = readInto(file, new Uint32Array(rows + 1));
  const index = readInto(file, new Uint32Array(nonZeros));
  const value = readInto(file, new Float32Array(nonZeros));
  const label = readInto(file, new Float32Array(rows));
  closeSync(file);
  return { rows, nonZeros, width, rowStart, index, value, label };
}

function writeAll(file, array) {
  for (let at = 0; at < array.byteLength; ) {
    const left = Math.min(partBytes, array.byteLength - at);
    at += writeSync(file, new Uint8Array(array.buffer, array.byteOffset + at, left));
  }
}

function readInto(file, array) {
  for (let at = 0; at < array.byteLength; ) {
    const left = Math.min(partBytes, array.byteLength - at);
    const got = readSync(file, new Uint8Array(array.buffer, at, left));
    if (got === 0) throw new Error("A CSR file ends too early");
    at += got;
  }
  return array;
}
