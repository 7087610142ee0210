/** The thread that parses chunks of plain files: claims the next one, parses it, tells the loader. */
import { parentPort, workerData } from "node:worker_threads";
import type { ParseOptions, TextRange } from "../../data/parser.ts";
import { Arena } from "../../kernels/arena.ts";
import { loadKernels, useCompiledKernels } from "../../kernels/loader.ts";
import { kernelParser } from "../../kernels/parser.ts";
import { claimChunks } from "./claim.ts";
import { type ChunkResult, type ChunkTask, RangeReader } from "./range.ts";

/** What a thread is started with. */
export interface ParseWorkerData {
  readonly memory: WebAssembly.Memory;
  readonly kernels: WebAssembly.Module;
  readonly options: ParseOptions;
  /** Room for the parser's job. */
  readonly job: number;
  readonly room: TextRange;
  /** Word 0 is the number of the next task. */
  readonly next: Int32Array;
  readonly tasks: readonly ChunkTask[];
}

export type ParseWorkerMessage =
  | { readonly kind: "result"; readonly task: number; readonly result: ChunkResult }
  | { readonly kind: "done"; readonly room: TextRange };

const data = workerData as ParseWorkerData;
useCompiledKernels(data.kernels);
const arena = new Arena(data.memory);
const parser = kernelParser(arena, loadKernels(arena), data.job);
const reader = new RangeReader(data.room, { arena, parser, options: data.options });
for (const task of claimChunks(data.next, data.tasks.length)) {
  tell({ kind: "result", task, result: reader.parse(data.tasks[task]!) });
}
tell({ kind: "done", room: reader.close() });

function tell(message: ParseWorkerMessage): void {
  parentPort?.postMessage(message);
}
