import { createHash, type Hash } from "node:crypto";
import { open } from "node:fs/promises";
import type { Block } from "../../data/block.ts";

/**
 * What identifies the data of a run: for a file its size, its time of change and the hash of its head, its
 * tail and samples between; for a stream its length and samples at fixed places; for rows in memory samples
 * of the blocks. One SHA-256 over all sources, in order.
 */
export class Fingerprint {
  readonly #hash: Hash = createHash("sha256");

  /** @param verify hash every byte of the file. */
  async addFile(name: string, verify: boolean): Promise<void> {
    const file = await open(name, "r");
    try {
      const { size, mtimeMs } = await file.stat();
      this.#hash.update(`file ${size} ${Math.floor(mtimeMs)}\n`);
      for (const { start, length } of verify ? allOf(size) : samplesOf(size)) {
        const bytes = Buffer.allocUnsafe(length);
        const { bytesRead } = await file.read(bytes, 0, length, start);
        this.#hash.update(bytes.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  }

  addText(text: string): void {
    this.#hash.update(`${text}\n`);
  }

  addBlock(block: Block): void {
    const bytes = new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
    for (const { start, length } of samplesOf(bytes.length)) {
      // A copy: hashes do not take shared memory.
      this.#hash.update(bytes.slice(start, start + length));
    }
  }

  digest(): string {
    return `sha256:${this.#hash.digest("hex")}`;
  }
}

const endBytes = 64 * 1024;
const sampleBytes = 4 * 1024;
const samples = 16;
const portionBytes = 4 * 2 ** 20;

function* samplesOf(size: number) {
  if (size <= 2 * endBytes + samples * sampleBytes) {
    yield { start: 0, length: size };
    return;
  }
  yield { start: 0, length: endBytes };
  for (let i = 1; i <= samples; i++) {
    yield { start: Math.floor((size * i) / (samples + 1)), length: sampleBytes };
  }
  yield { start: size - endBytes, length: endBytes };
}

function* allOf(size: number) {
  for (let start = 0; start < size; start += portionBytes) {
    yield { start, length: Math.min(portionBytes, size - start) };
  }
}

const streamStep = 2 ** 20;

/** Takes the first 4 KiB of every MiB of a stream, wherever its pieces happen to end. */
export class StreamSampler {
  readonly #hash: Hash = createHash("sha256");
  #bytes = 0;

  add(piece: Uint8Array): void {
    let at = 0;
    while (at < piece.length) {
      const place = (this.#bytes + at) % streamStep;
      if (place < sampleBytes) {
        const count = Math.min(sampleBytes - place, piece.length - at);
        this.#hash.update(piece.subarray(at, at + count));
        at += count;
      } else {
        at += streamStep - place;
      }
    }
    this.#bytes += piece.length;
  }

  digest(): string {
    return `stream ${this.#bytes} ${this.#hash.digest("hex")}`;
  }
}
