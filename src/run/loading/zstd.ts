/**
 * Zstandard (RFC 8878). Frames and blocks are walked here, because decompressors do not look at all of
 * them: Node's own one (from 22.15 on) ends silently after the first frame, fzstd ignores checksums. A frame
 * written without a checksum (the zstd program writes one) can hide a flipped byte.
 */
import { Decompress } from "fzstd";
import { Arena } from "../../kernels/arena.ts";
import { type Checksum, createChecksum } from "../../kernels/checksum.ts";
import { loadKernels } from "../../kernels/loader.ts";
import { PieceReader } from "./pieces.ts";

type Pieces = AsyncIterable<Uint8Array>;

/** One frame in its parts; they must be taken in this order, and all of them. */
interface Frame {
  readonly header: Uint8Array;
  readonly blocks: Pieces;
  readonly contentSize: number | undefined;
  /** The four bytes behind the blocks; none in a frame without a checksum. */
  readonly checksum: () => Promise<Uint8Array>;
}

export const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a5;
const skipBytes = 2 ** 20;
/** What a decompressor must hold at once: more is asked for by --long only, or by who means harm. */
const windowBytesMax = 2 ** 27;

/**
 * The data of all frames, one after the other.
 * @param builtIn Node's own decompressor of one frame, where there is one.
 */
export async function* unzstd(
  compressed: Pieces,
  builtIn: ((frame: Pieces) => Pieces) | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = new PieceReader(compressed);
  const decode = builtIn ? (frame: Frame) => builtIn(bytesOf(frame)) : frameDecoder();
  while ((await reader.peek(1)).length > 0) {
    const magic = littleEndian(await reader.take(4));
    if (isSkippable(magic)) {
      await skip(reader, littleEndian(await reader.take(4)));
    } else if (magic === frameMagic) {
      yield* decode(await openFrame(reader));
    } else {
      throw new Error("bytes that start no frame");
    }
  }
}

async function* bytesOf(frame: Frame): AsyncGenerator<Uint8Array> {
  yield frame.header;
  yield* frame.blocks;
  yield await frame.checksum();
}

/** Decodes frames by fzstd and checks what that does not: size and checksum. */
function frameDecoder(): (frame: Frame) => AsyncGenerator<Uint8Array> {
  const arena = new Arena();
  const checksum = createChecksum(arena, loadKernels(arena));
  return (frame) => decodeFrame(frame, checksum);
}

async function* decodeFrame(frame: Frame, checksum: Checksum): AsyncGenerator<Uint8Array> {
  const outputs: Uint8Array[] = [];
  const decompressor = new Decompress((output) => outputs.push(output));
  checksum.start();
  decompressor.push(frame.header);
  let size = 0;
  for await (const block of frame.blocks) {
    // The end is never announced: the decompressor would then expect the checksum it ignores.
    decompressor.push(block);
    for (const output of outputs.splice(0)) {
      size += output.length;
      checksum.add(output);
      yield output;
    }
  }
  const { contentSize } = frame;
  if (contentSize !== undefined && contentSize !== size) {
    throw new Error(`a frame of ${size} bytes that should have ${contentSize}`);
  }
  const expected = await frame.checksum();
  if (expected.length === 0) return;
  if (Number(checksum.finish() & 0xffffffffn) !== littleEndian(expected)) {
    throw new Error("wrong checksum");
  }
}

async function openFrame(reader: PieceReader): Promise<Frame> {
  const { bytes, contentSize, hasChecksum } = await readHeader(reader);
  return {
    header: bytes,
    blocks: readBlocks(reader),
    contentSize,
    checksum: async () => (hasChecksum ? (await reader.take(4)).slice() : new Uint8Array(0)),
  };
}

async function* readBlocks(reader: PieceReader): AsyncGenerator<Uint8Array> {
  for (let last = false; !last; ) {
    const block = await readBlock(reader);
    last = block.last;
    yield block.bytes;
  }
}

async function readHeader(reader: PieceReader) {
  const descriptor = (await reader.take(1))[0]!;
  const { restBytes, sizeBytes, hasChecksum } = headerShape(descriptor);
  const rest = await reader.take(restBytes);
  const size = littleEndian(rest.subarray(restBytes - sizeBytes));
  const window = (descriptor & 0x20) === 0 ? windowBytes(rest[0]!) : size;
  if (window > windowBytesMax) {
    throw new Error(
      `a frame that needs ${window} bytes of memory, at most ${windowBytesMax} are given`,
    );
  }
  const header = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, descriptor, ...rest);
  return {
    bytes: header,
    contentSize: sizeBytes === 0 ? undefined : sizeBytes === 2 ? size + 256 : size,
    hasChecksum,
  };
}

/** RFC 8878, section 3.1.1.1.2: an exponent and eighths. */
function windowBytes(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** What a frame's descriptor says of its header: bytes behind the descriptor, the last of them the content's size. */
export function headerShape(descriptor: number) {
  const singleSegment = (descriptor & 0x20) !== 0;
  const windowBytes = singleSegment ? 0 : 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const sizeFlag = descriptor >>> 6;
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 2 ** sizeFlag;
  const restBytes = windowBytes + dictionaryBytes + sizeBytes;
  return { restBytes, sizeBytes, hasChecksum: (descriptor & 4) !== 0 };
}

/** What a block's head says: its bytes behind the head, and whether it is the frame's last. */
export function blockShape(head: Uint8Array) {
  const word = littleEndian(head);
  const runLength = ((word >>> 1) & 3) === 1;
  return { bytes: runLength ? 1 : word >>> 3, last: (word & 1) === 1 };
}

async function readBlock(reader: PieceReader) {
  const head = (await reader.take(3)).slice();
  const { bytes: length, last } = blockShape(head);
  const content = await reader.take(length);
  const bytes = new Uint8Array(3 + content.length);
  bytes.set(head);
  bytes.set(content, 3);
  return { bytes, last };
}

async function skip(reader: PieceReader, length: number): Promise<void> {
  for (let left = length; left > 0; left -= skipBytes) {
    await reader.take(Math.min(left, skipBytes));
  }
}

export function isSkippable(magic: number): boolean {
  return magic >>> 4 === skippableMagic;
}

export function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}
