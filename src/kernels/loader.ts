/** Loads the kernels: the one file of this room that reads from disk. */
import { readFileSync } from "node:fs";
import type { Arena } from "./arena.ts";
import type { KernelExports } from "./exports.ts";

let compiled: WebAssembly.Module | undefined;

/** Instantiates the kernels over an arena; the compiled module is shared by all arenas of a thread. */
export function loadKernels(arena: Arena): KernelExports {
  compiled ??= new WebAssembly.Module(readFileSync(new URL("./kernels.wasm", import.meta.url)));
  const instance = new WebAssembly.Instance(compiled, { env: { memory: arena.memory, abort } });
  return instance.exports as unknown as KernelExports;
}

function abort(): never {
  throw new Error("A kernel aborted: this is a bug in glissade");
}
