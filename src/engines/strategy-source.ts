/** Strategies by name or from a user's file, so that every thread can load the same one. */
import { readFile } from "node:fs/promises";
import * as nodeModule from "node:module";
import { extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { strategyNamed } from "../strategies/all.ts";
import type { AnyStrategy } from "../strategies/strategy.ts";

/** The name of a built-in strategy, or the address of a module that exports one. */
export type StrategySource = { readonly name: string } | { readonly module: string };

/** What `--strategy` names: a path when it has an extension or begins with a dot, else a built-in. */
export function strategySource(text: string, folder = "."): StrategySource {
  const isPath = text.startsWith(".") || text.startsWith("/") || /\.[cm]?[jt]s$/.test(text);
  return isPath ? { module: pathToFileURL(resolve(folder, text)).href } : { name: text };
}

/**
 * Loads a strategy: the first export of a module that is one.
 * @throws RangeError when there is no strategy of that name, or the module can't be loaded or exports none.
 */
export async function loadStrategy(source: StrategySource): Promise<AnyStrategy> {
  if ("name" in source) {
    const strategy = strategyNamed(source.name);
    if (strategy) return strategy;
    throw new RangeError(`Cannot load strategy as there is none named ${source.name}`);
  }
  const exported = await exportsOf(source.module);
  for (const name of Object.keys(exported).sort()) {
    const value = exported[name];
    if (isStrategy(value)) return telling(value, fileURLToPath(source.module));
  }
  throw new RangeError(
    `Cannot load strategy from ${fileURLToPath(source.module)} as it must export a record with name, pace, init and step: it exports ${Object.keys(exported).join(", ") || "nothing"}`,
  );
}

async function exportsOf(module: string): Promise<Record<string, unknown>> {
  try {
    return (await import(await importable(module))) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof RangeError) throw error;
    const { path = "" } = error as NodeJS.ErrnoException;
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT" && path !== "";
    const reason = missing ? `there is no file ${path}` : describeFailure(error);
    throw new RangeError(`Cannot load strategy from ${fileURLToPath(module)}: ${reason}`);
  }
}

/** What a module failed with: an error of its own code, of Node, or what the stripper of types throws. */
function describeFailure(error: unknown): string {
  const { name = "Error", message = String(error) } = error as Partial<Error>;
  // Of Node's "Require stack" and the like nothing helps here.
  return `${name}: ${message.split("\n")[0]}`;
}

function isStrategy(value: unknown): value is AnyStrategy {
  const record = value as Partial<AnyStrategy> | null;
  return (
    typeof record === "object" &&
    typeof record?.name === "string" &&
    typeof record.init === "function" &&
    typeof record.step === "function" &&
    typeof record.conserves === "function"
  );
}

/** The strategy, whose own errors say in which line of which of its files they were thrown. */
function telling(strategy: AnyStrategy, path: string): AnyStrategy {
  const tell = <A extends unknown[], R>(run: (...args: A) => R, name: string) => {
    return (...args: A): R => {
      try {
        return run(...args);
      } catch (error) {
        const place = placeIn((error as Partial<Error>).stack ?? "") ?? path;
        throw new RangeError(
          `Cannot go on as ${name} of the strategy threw: ${place}: ${describeFailure(error)}`,
        );
      }
    };
  };
  const init = tell(strategy.init.bind(strategy), "init");
  return { ...strategy, init, step: tell(strategy.step.bind(strategy), "step") };
}

/** The first line of a module that a stack trace names, as path, line and column. */
function placeIn(stack: string): string | null {
  for (const [, address, place] of stack.matchAll(/((?:data|file):.*)(:\d+:\d+)\)?$/gm)) {
    const module = moduleOf.get(address!) ?? address!;
    if (module.startsWith("file:")) return fileURLToPath(module) + place;
  }
  return null;
}

/** By the address that a module's text has become, the file it came from. */
const moduleOf = new Map<string, string>();

const importPattern = /(\bfrom\s*|\bimport\s*\(?\s*)(["'])([^"']+)\2/g;

/**
 * TypeScript is stripped of its types where Node can't import it: a module becomes its own text as an address, and so
 * do the modules of the same kind that it imports. Other imports are resolved beforehand.
 */
async function importable(module: string, importers: readonly string[] = []): Promise<string> {
  if (!/^\.[cm]?ts$/.test(extname(module))) return module;
  if (importers.includes(module)) {
    throw new RangeError(
      `Cannot load strategy from ${importers[0]} as its files import each other in a circle, through ${module}: put what both need into a third file`,
    );
  }
  const path = fileURLToPath(module);
  const code = await stripTypes(await readFile(path, "utf8"), path);
  const found = [...code.matchAll(importPattern)].map(([, , , specifier]) => specifier!);
  const resolved = new Map<string, string>();
  for (const specifier of found) {
    const address = resolveSpecifier(specifier, module);
    resolved.set(specifier, await importable(address, [...importers, module]));
  }
  const text = code.replace(
    importPattern,
    (_whole, before: string, quote: string, specifier: string) =>
      `${before}${quote}${resolved.get(specifier)}${quote}`,
  );
  // Stack traces name the file: types are stripped in place, so lines and columns are its own.
  const named = `${text}\n//# sourceURL=${module}\n`;
  const address = `data:text/javascript;charset=utf-8,${encodeURIComponent(named)}`;
  moduleOf.set(address, module);
  return address;
}

function resolveSpecifier(specifier: string, parent: string): string {
  if (specifier.startsWith("node:")) return specifier;
  if (specifier.startsWith(".")) return new URL(specifier, parent).href;
  if (specifier.startsWith("glissade")) return import.meta.resolve(specifier);
  return pathToFileURL(nodeModule.createRequire(parent).resolve(specifier)).href;
}

interface TypeStripper {
  stripTypeScriptTypes?(code: string): string;
}

interface StripFailure {
  readonly message: string;
  readonly startLine?: number;
  readonly startColumn?: number;
}

/** Node's own stripper where it has one (22.13 and later), else the one Node's is made of. */
async function stripTypes(code: string, path: string): Promise<string> {
  try {
    const own = (nodeModule as TypeStripper).stripTypeScriptTypes;
    if (own) return own(code);
    const { transformSync } = await import("@swc/wasm-typescript");
    return transformSync(code, { mode: "strip-only" }).code;
  } catch (error) {
    const { message, startLine = "?", startColumn = "?" } = error as StripFailure;
    throw new RangeError(
      `Cannot load strategy from ${path}:${startLine}:${startColumn}: ${message}`,
    );
  }
}
