/** The parser port of data/, implemented by the kernel of assembly/parse.ts. */
import type { Block } from "../data/block.ts";
import {
  distinctLabelsMax,
  type FaultCode,
  faultCodes,
  faultsMax,
  type ParseOptions,
  type ParseReport,
  type TextParser,
  type TextRange,
} from "../data/parser.ts";
import type { Arena } from "./arena.ts";
import type { ReadingKernels } from "./exports-parse.ts";

/** Words of a job, as the head of assembly/parse.ts lists them (there in bytes). */
const job = {
  text: 0,
  end: 1,
  rowStart: 2,
  index: 3,
  value: 4,
  label: 5,
  rowId: 6,
  mode: 7,
  widthLimit: 8,
  badRowsMax: 9,
  rows: 16,
  nonZeros: 17,
  width: 18,
  idMin: 19,
  ordinals: 20,
  unseen: 21,
  faults: 22,
  labels: 23,
  labelList: 24,
  faultList: 40,
  newlines: 56,
  colons: 57,
} as const;
/** Bytes of a job in the arena. */
export const jobBytes = 256;
const noId = 0xffff_ffff;

/**
 * A parser over this arena; it belongs to one thread.
 * @param address jobBytes in the arena that are its own.
 */
export function kernelParser(
  arena: Arena,
  kernels: ReadingKernels,
  address: number = arena.allocate(jobBytes),
): TextParser {
  return {
    count(text) {
      const words = describeText(arena, address, text);
      kernels.countText(address);
      return { newlines: words[job.newlines]!, colons: words[job.colons]! };
    },
    parse(text, block, options) {
      const words = describeText(arena, address, text);
      describeJob(words, block, options);
      kernels.parseText(address);
      return readReport(words);
    },
  };
}

function describeText(arena: Arena, address: number, text: TextRange): Uint32Array {
  const words = arena.u32(address, jobBytes / 4);
  words[job.text] = text.address;
  words[job.end] = text.address + text.byteLength;
  return words;
}

function describeJob(words: Uint32Array, block: Block, options: ParseOptions): void {
  words[job.rowStart] = block.rowStart.byteOffset;
  words[job.index] = block.index.byteOffset;
  words[job.value] = block.value.byteOffset;
  words[job.label] = block.label.byteOffset;
  words[job.rowId] = block.rowId.byteOffset;
  words[job.mode] = (options.labels === "optional" ? 1 : 0) | (options.format === "lyrl" ? 2 : 0);
  words[job.widthLimit] = options.widthLimit;
  words[job.badRowsMax] = options.badRowsMax;
}

function readReport(words: Uint32Array): ParseReport {
  const labelCount = words[job.labels]!;
  const labels = new Float32Array(words.buffer, words.byteOffset + 4 * job.labelList, 16);
  const faultCount = words[job.faults]!;
  const faults = Array.from({ length: Math.min(faultCount, faultsMax) }, (_, i) => ({
    code: faultCodes[words[job.faultList + 2 * i] as keyof typeof faultCodes] as FaultCode,
    offset: words[job.faultList + 2 * i + 1]!,
  }));
  return {
    rows: words[job.rows]!,
    nonZeros: words[job.nonZeros]!,
    width: words[job.width]!,
    idMin: words[job.idMin] === noId ? undefined : words[job.idMin],
    ordinals: words[job.ordinals]!,
    unseen: words[job.unseen]!,
    labels: Array.from(labels.subarray(0, Math.min(labelCount, distinctLabelsMax))),
    moreLabels: labelCount > distinctLabelsMax,
    faultCount,
    faults,
  };
}
