/** Loads the kernels: the one file of this room that reads from disk. */
import { readFileSync } from "node:fs";
import type { Arena } from "./arena.ts";
import type { KernelExports } from "./exports.ts";

let compiled: WebAssembly.Module | undefined;

/** The compiled kernels; a thread may hand them to another, which then need not compile them. */
export function compiledKernels(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(new URL("./kernels.wasm", import.meta.url)));
  return compiled;
}

/** Takes the kernels that another thread compiled. */
export function useCompiledKernels(module: WebAssembly.Module): void {
  compiled = module;
}

/** Instantiates the kernels over an arena; the compiled module is shared by all arenas of a thread. */
export function loadKernels(arena: Arena): KernelExports {
  const instance = new WebAssembly.Instance(compiledKernels(), {
    env: { memory: arena.memory, abort },
  });
  return instance.exports as unknown as KernelExports;
}

function abort(): never {
  throw new Error("A kernel aborted: this is a bug in glissade");
}
