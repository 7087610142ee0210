/**
 * An arena: one shared WebAssembly memory and the rooms given out of it. Every thread of a process
 * instantiates the kernels over the same arena, so a block parsed by one thread is learned from by
 * another without a copy. An address is a byte offset; all addresses are multiples of 64 (a cache line).
 */
const pageBytes = 65_536;
const pagesMax = 65_536;
const alignment = 64;

export class Arena {
  readonly memory: WebAssembly.Memory;
  #top: number;
  readonly #free = new Map<number, number[]>();

  /** @param memory an existing arena's memory, in a thread that only uses what others gave out. */
  constructor(memory?: WebAssembly.Memory) {
    this.memory =
      memory ?? new WebAssembly.Memory({ initial: 16, maximum: pagesMax, shared: true });
    // The first page holds the kernels' own constants.
    this.#top = pageBytes;
  }

  get buffer(): SharedArrayBuffer {
    return this.memory.buffer;
  }

  /** Bytes given out or waiting to be given out again. */
  get bytes(): number {
    return this.#top;
  }

  /**
   * Gives out `byteLength` bytes; their content is whatever was there before.
   * @throws RangeError when the 4 GiB of a 32-bit WebAssembly memory are used up.
   */
  allocate(byteLength: number): number {
    const size = roundUp(byteLength);
    const reused = this.#free.get(size)?.pop();
    if (reused !== undefined) return reused;
    const address = this.#top;
    const end = address + size;
    if (end > pagesMax * pageBytes) {
      throw new RangeError(
        `Cannot allocate ${size} bytes as the arena ends at 4 GiB: ${address} bytes are in use`,
      );
    }
    this.#growTo(end);
    this.#top = end;
    return address;
  }

  /** Takes back what `allocate(byteLength)` gave out. */
  release(address: number, byteLength: number): void {
    const size = roundUp(byteLength);
    if (address + size === this.#top) {
      this.#top = address;
      return;
    }
    const list = this.#free.get(size);
    if (list) list.push(address);
    else this.#free.set(size, [address]);
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

  #growTo(end: number): void {
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / pageBytes);
    if (missing > 0) this.memory.grow(missing);
  }
}

function roundUp(byteLength: number): number {
  return Math.max(alignment, Math.ceil(byteLength / alignment) * alignment);
}
