/**
 * A block: one self-describing buffer of rows in CSR form, the unit of parsing, caching and streaming.
 * The same bytes are a file, a part of a SharedArrayBuffer, and an operand of the kernels.
 * The layout is described, field by field, in docs/block-format.md.
 *
 * Indices are kept as the source wrote them (raw ids): a weight vector over blocks has length
 * largest id + 1, and the index base only matters when a model is written or read.
 */
export const blockMagic = 0x4253_4c47; // "GLSB", little endian
export const blockVersion = 1;
export const blockHeaderBytes = 128;

/** Byte offsets of the header's fields. */
export const headerField = {
  magic: 0,
  version: 4,
  rows: 8,
  nonZeros: 12,
  width: 16,
  flags: 20,
  rowIdBase: 24,
  byteLength: 32,
  checksum: 40,
  rowStart: 64,
  index: 68,
  value: 72,
  label: 76,
  rowId: 80,
  weight: 84,
  group: 88,
  labelList: 92,
} as const;

/** How many rows and non-zeros a block holds. */
export interface BlockShape {
  readonly rows: number;
  readonly nonZeros: number;
}

/** Views over a block's bytes; nothing is copied. */
export interface Block extends BlockShape {
  readonly buffer: ArrayBufferLike;
  /** Where the block starts in its buffer; in an arena this is its address for the kernels. */
  readonly byteOffset: number;
  readonly byteLength: number;
  /** Largest raw id + 1; 0 for a block without non-zeros. */
  readonly width: number;
  /** Ordinal, over all files given, of the row that `rowId` counts from. */
  readonly rowIdBase: number;
  /** rows + 1 offsets into index and value. */
  readonly rowStart: Uint32Array;
  readonly index: Uint32Array;
  readonly value: Float32Array;
  readonly label: Float32Array;
  /** Row id minus rowIdBase. */
  readonly rowId: Uint32Array;
}

/** Byte offsets of a block's columns from its start, and its whole length; all multiples of 16. */
export function blockLayout({ rows, nonZeros }: BlockShape) {
  const rowStart = blockHeaderBytes;
  const index = align(rowStart + 4 * (rows + 1));
  const value = align(index + 4 * nonZeros);
  const label = align(value + 4 * nonZeros);
  const rowId = align(label + 4 * rows);
  return { rowStart, index, value, label, rowId, byteLength: align(rowId + 4 * rows) };
}

/** Bytes that a block of this shape takes. */
export function blockByteLength(shape: BlockShape): number {
  return blockLayout(shape).byteLength;
}

/** Writes the header of an empty block of this shape at `byteOffset` and returns views to fill. */
export function createBlock(
  buffer: ArrayBufferLike,
  byteOffset: number,
  shape: BlockShape & { width: number; rowIdBase: number },
): Block {
  const layout = blockLayout(shape);
  const header = new DataView(buffer, byteOffset, blockHeaderBytes);
  for (let i = 0; i < blockHeaderBytes; i += 4) header.setUint32(i, 0, true);
  header.setUint32(headerField.magic, blockMagic, true);
  header.setUint32(headerField.version, blockVersion, true);
  header.setUint32(headerField.rows, shape.rows, true);
  header.setUint32(headerField.nonZeros, shape.nonZeros, true);
  header.setUint32(headerField.width, shape.width, true);
  header.setFloat64(headerField.rowIdBase, shape.rowIdBase, true);
  header.setFloat64(headerField.byteLength, layout.byteLength, true);
  for (const name of ["rowStart", "index", "value", "label", "rowId"] as const) {
    header.setUint32(headerField[name], layout[name], true);
  }
  const block = viewBlock(buffer, byteOffset);
  clearGaps(block, layout.byteLength);
  return block;
}

/** Zeroes the bytes between the columns, so that equal rows make equal blocks, byte for byte. */
function clearGaps(block: Block, byteLength: number): void {
  const bytes = new Uint8Array(block.buffer, block.byteOffset, byteLength);
  for (const column of [block.rowStart, block.index, block.value, block.label, block.rowId]) {
    const end = column.byteOffset - block.byteOffset + column.byteLength;
    bytes.fill(0, end, align(end));
  }
}

/**
 * Views the block at `byteOffset`. Every length and offset of the header is checked against the layout
 * and the buffer before it is used.
 * @throws RangeError when the bytes are no block of this version, or do not fit their buffer.
 */
export function viewBlock(buffer: ArrayBufferLike, byteOffset: number): Block {
  const available = buffer.byteLength - byteOffset;
  if (available < blockHeaderBytes) {
    throw new RangeError(
      `Cannot read block as it needs a ${blockHeaderBytes}-byte header: current value is ${available} bytes`,
    );
  }
  const header = new DataView(buffer, byteOffset, blockHeaderBytes);
  const magic = header.getUint32(headerField.magic, true);
  if (magic !== blockMagic) {
    throw new RangeError(
      `Cannot read block as its first four bytes must be GLSB: current value is 0x${magic.toString(16)}`,
    );
  }
  const version = header.getUint32(headerField.version, true);
  if (version !== blockVersion) {
    throw new RangeError(
      `Cannot read block as its version must be ${blockVersion}: current value is ${version}`,
    );
  }
  const rows = header.getUint32(headerField.rows, true);
  const nonZeros = header.getUint32(headerField.nonZeros, true);
  const layout = blockLayout({ rows, nonZeros });
  if (
    layout.byteLength > available ||
    header.getFloat64(headerField.byteLength, true) !== layout.byteLength
  ) {
    throw new RangeError(
      `Cannot read block as ${rows} rows and ${nonZeros} non-zeros take ${layout.byteLength} bytes: current value is ${available} bytes`,
    );
  }
  for (const name of ["rowStart", "index", "value", "label", "rowId"] as const) {
    const offset = header.getUint32(headerField[name], true);
    if (offset !== layout[name]) {
      throw new RangeError(
        `Cannot read block as ${name} must start at ${layout[name]}: current value is ${offset}`,
      );
    }
  }
  return {
    buffer,
    byteOffset,
    byteLength: layout.byteLength,
    rows,
    nonZeros,
    width: header.getUint32(headerField.width, true),
    rowIdBase: header.getFloat64(headerField.rowIdBase, true),
    rowStart: new Uint32Array(buffer, byteOffset + layout.rowStart, rows + 1),
    index: new Uint32Array(buffer, byteOffset + layout.index, nonZeros),
    value: new Float32Array(buffer, byteOffset + layout.value, nonZeros),
    label: new Float32Array(buffer, byteOffset + layout.label, rows),
    rowId: new Uint32Array(buffer, byteOffset + layout.rowId, rows),
  };
}

/**
 * Why the rows of a block can't be used; null when they can. Kernels take offsets and indices as they are, so those of
 * a file from elsewhere are looked at once: offsets that rise from 0 to the end, indices below the width.
 */
export function rowsFault({ rows, nonZeros, width, rowStart, index }: Block): string | null {
  if (rowStart[0] !== 0 || rowStart[rows] !== nonZeros) return "rows that do not fill it";
  let falls = 0;
  for (let row = 0; row < rows; row++) if (rowStart[row + 1]! < rowStart[row]!) falls++;
  if (falls > 0) return "a row that ends before it begins";
  let most = 0;
  for (let k = 0; k < nonZeros; k++) if (index[k]! > most) most = index[k]!;
  return nonZeros === 0 || most < width ? null : `feature ${most} in a block of ${width} columns`;
}

/** Sets the ordinal that row ids count from, once the rows before this block are counted. */
export function withRowIdBase(block: Block, rowIdBase: number): Block {
  new DataView(block.buffer, block.byteOffset).setFloat64(headerField.rowIdBase, rowIdBase, true);
  return { ...block, rowIdBase };
}

function align(offset: number): number {
  return Math.ceil(offset / 16) * 16;
}
