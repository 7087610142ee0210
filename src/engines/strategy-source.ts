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
 * @throws RangeError when there is no strategy of that name, or the module exports none.
 */
export async function loadStrategy(source: StrategySource): Promise<AnyStrategy> {
  if ("name" in source) {
    const strategy = strategyNamed(source.name);
    if (strategy) return strategy;
    throw new RangeError(`Cannot load strategy as there is none named ${source.name}`);
  }
  const exported = (await import(await importable(source.module))) as Record<string, unknown>;
  for (const name of Object.keys(exported).sort()) {
    const value = exported[name];
    if (isStrategy(value)) return value;
  }
  throw new RangeError(
    `Cannot load strategy from ${source.module} as it must export a record with name, pace, init and step: it exports ${Object.keys(exported).join(", ") || "nothing"}`,
  );
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

/** TypeScript is stripped of its types where Node can't import it; imports are resolved beforehand. */
async function importable(module: string): Promise<string> {
  if (!/^\.[cm]?ts$/.test(extname(module))) return module;
  const code = await stripTypes(await readFile(fileURLToPath(module), "utf8"), module);
  const resolved = code.replace(
    /(\bfrom\s*|\bimport\s*\(?\s*)(["'])([^"']+)\2/g,
    (whole, before: string, quote: string, specifier: string) =>
      `${before}${quote}${resolveSpecifier(specifier, module) ?? whole}${quote}`,
  );
  return `data:text/javascript;charset=utf-8,${encodeURIComponent(resolved)}`;
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

async function stripTypes(code: string, module: string): Promise<string> {
  const own = (nodeModule as TypeStripper).stripTypeScriptTypes;
  if (own) return own(code);
  const found = await strippersNear(module);
  if (found) return found(code);
  throw new RangeError(
    `Cannot load ${module} as Node ${process.versions.node} does not read TypeScript: install esbuild or typescript beside it, rename it to .mjs, or use Node 22.13 or later`,
  );
}

/** The user's own compiler, found from the user's file: glissade brings none along. */
async function strippersNear(module: string): Promise<((code: string) => string) | null> {
  const require = nodeModule.createRequire(module);
  const load = (name: string): Record<string, unknown> | null => {
    try {
      return require(name) as Record<string, unknown>;
    } catch {
      return null;
    }
  };
  const esbuild = load("esbuild") as Esbuild | null;
  if (esbuild) return (code) => esbuild.transformSync(code, { loader: "ts" }).code;
  const typescript = load("typescript") as TypeScript | null;
  if (!typescript?.transpileModule) return null;
  const compilerOptions = { module: 99, target: 9 };
  return (code) => typescript.transpileModule(code, { compilerOptions }).outputText;
}

interface Esbuild {
  transformSync(code: string, options: { loader: "ts" }): { code: string };
}

interface TypeScript {
  transpileModule(code: string, options: object): { outputText: string };
}
