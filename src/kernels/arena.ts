/**
 * An arena: one shared WebAssembly memory and the rooms given out of it. Every thread of a process
 * instantiates the kernels over the same arena, so a block parsed by one thread is learned from by
 * another without a copy. An address is a byte offset; all addresses are multiples of 64 (a cache line).
 *
 * Every thread may allocate: where the used part ends is one shared word, at the end of the first page, moved
 * by compare-and-exchange. Rooms taken back are given out again by the thread that took them back.
 */
import { FreeRooms } from "./free-rooms.ts";

const pageBytes = 65_536;
const pagesMax = 65_536;
const alignment = 64;
/** Index, in 32-bit words, of the shared word; it counts in units of the alignment, so that 4 GiB fit. */
const topWord = pageBytes / 4 - 1;

export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly #words: Int32Array;
  readonly #free = new FreeRooms();

  /** @param memory an existing arena's memory, in a thread that shares it. */
  constructor(memory?: WebAssembly.Memory) {
    this.memory =
      memory ?? new WebAssembly.Memory({ initial: 16, maximum: pagesMax, shared: true });
    this.#words = new Int32Array(this.memory.buffer, 0, pageBytes / 4);
    // The first page holds the kernels' own constants and the shared word.
    Atomics.compareExchange(this.#words, topWord, 0, pageBytes / alignment);
  }

  get buffer(): SharedArrayBuffer {
    return this.memory.buffer;
  }

  /** Bytes given out or waiting to be given out again. */
  get bytes(): number {
    return this.#top() * alignment;
  }

  #top(): number {
    return Atomics.load(this.#words, topWord);
  }

  /**
   * Gives out `byteLength` bytes; their content is whatever was there before.
   * @throws RangeError when the 4 GiB of a 32-bit WebAssembly memory are used up.
   */
  allocate(byteLength: number): number {
    const size = roundUp(byteLength);
    const reused = this.#free.take(size);
    if (reused !== undefined) return reused;
    for (;;) {
      const top = this.#top();
      const address = top * alignment;
      const end = address + size;
      if (end > pagesMax * pageBytes) {
        throw new RangeError(
          `Cannot allocate ${size} bytes as the arena ends at 4 GiB: ${address} bytes are in use`,
        );
      }
      this.#growTo(end);
      if (this.#move(top, end / alignment)) return address;
    }
  }

  /** Takes back what `allocate(byteLength)` gave out. */
  release(address: number, byteLength: number): void {
    this.#free.add(address, roundUp(byteLength));
    const top = this.#top();
    const start = this.#free.takeEndingAt(top * alignment);
    if (start === undefined || this.#move(top, start / alignment)) return;
    // Another thread moved the end meanwhile: the room waits after all.
    this.#free.add(start, top * alignment - start);
  }

  bytesAt(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }

  f32(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  f64(address: number, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, address, length);
  }

  u32(address: number, length: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, address, length);
  }

  allocateF32(length: number): Float32Array {
    return this.f32(this.allocate(4 * length), length);
  }

  allocateF64(length: number): Float64Array {
    return this.f64(this.allocate(8 * length), length);
  }

  allocateU32(length: number): Uint32Array {
    return this.u32(this.allocate(4 * length), length);
  }

  /** Moves the end of the used part; false when another thread moved it first. */
  #move(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words, topWord, from, to) === from;
  }

  /** Makes `buffer` reach as far as the memory does, after another thread made it grow. */
  refresh(): void {
    this.memory.grow(0);
  }

  #growTo(end: number): void {
    if (end <= this.memory.buffer.byteLength) return;
    this.refresh();
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / pageBytes);
    // Another thread may grow at the same time: what is then too much is used by the next allocation.
    if (missing > 0) this.memory.grow(Math.min(missing, pagesMax - this.#pages()));
  }

  #pages(): number {
    return this.memory.buffer.byteLength / pageBytes;
  }
}

function roundUp(byteLength: number): number {
  return Math.max(alignment, Math.ceil(byteLength / alignment) * alignment);
}
