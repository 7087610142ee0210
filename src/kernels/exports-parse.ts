/** The signatures of the kernels that read: text and checksums. Part of KernelExports. */
export interface ReadingKernels {
  /** Parses the text that the job at this address describes (see kernels/parser.ts). */
  parseText(job: number): void;
  /** Counts line feeds and colons of the job's text: upper bounds of its rows and entries. */
  countText(job: number): void;
  /** The nearest f32 of mantissa * 10^exponent; for tests. */
  toFloat(mantissa: bigint, exponent: number): number;
  /** XXH64 in pieces: start, add as often as needed, finish. `state`: 128 bytes. */
  xxh64Start(state: number, seed: bigint): void;
  xxh64Add(state: number, address: number, length: number): void;
  xxh64Finish(state: number, seed: bigint): bigint;
}
