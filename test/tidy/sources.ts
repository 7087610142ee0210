/** Reads the project's own sources as text: what they import, and how long their functions are. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export const root = new URL("../..", import.meta.url).pathname;
const passedOver = ["node_modules", "dist", "runs", ".git", ".cache", "coverage"];

export interface Source {
  /** From the project's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

/** Every file of the project whose name ends like this. */
export function readSources(endings: readonly string[], folder = ""): Source[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      return passedOver.includes(entry.name) ? [] : readSources(endings, path);
    }
    if (!endings.some((ending) => entry.name.endsWith(ending))) return [];
    const text = readFileSync(join(root, path), "utf8");
    return [{ path, text, imports: importsOf(text) }];
  });
}

/**
 * What a file imports, re-exports, loads on first use, or names as the file of a worker; the quoted names.
 */
export function importsOf(text: string): string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
  const forms = [
    /\bfrom\s+"([^"]+)"/g,
    /^import\s+"([^"]+)"/gm,
    /\bimport\(\s*"([^"]+)"\s*\)/g,
    /\bnew URL\(\s*"(\.[^"]+\.(?:ts|js|mjs))"/g,
  ];
  const workers = [...code.matchAll(/\b(?:workerUrl|builtUrl)\(\s*"([^"]+)"/g)];
  return [
    ...forms.flatMap((form) => [...code.matchAll(form)].map((match) => match[1]!)),
    ...workers.map((match) => `./${match[1]}.ts`),
  ];
}

/** The file of this project that an import means, or null for a package. */
export function resolveImport(from: string, name: string): string | null {
  if (!name.startsWith(".")) return null;
  return normalize(join(dirname(from), name));
}

export interface LongFunction {
  readonly line: number;
  readonly lines: number;
  readonly head: string;
}

/** How a function, method or block-bodied arrow begins; test suites are lists, not functions. */
const functionHead =
  /^\s*(?:export )?(?:async )?(?:function\b|(?:static |private |get |set |async |#|\*)*[\w$#[\].]+\(.*\{$|.*=> \{$|.*\bfunction\b.*\{$)/;
const controlHead =
  /^\s*(?:if|for|while|switch|catch|else|do|try|\}|describe|test\.describe)\b|^\s*describe|^\s*\}/;

/**
 * Functions of more lines than allowed. The formatter closes a function at the column where its first
 * line begins, so no syntax tree is needed.
 */
export function longFunctions(text: string, linesMax: number): LongFunction[] {
  const lines = text.split("\n");
  const found: LongFunction[] = [];
  lines.forEach((head, start) => {
    if (!functionHead.test(head) || controlHead.test(head)) return;
    const indent = /^\s*/.exec(head)![0];
    const end = lines.findIndex(
      (line, i) => i > start && line.startsWith(`${indent}}`) && !line.startsWith(`${indent}} `),
    );
    const length = end - start + 1;
    if (end > 0 && length > linesMax)
      found.push({ line: start + 1, lines: length, head: head.trim() });
  });
  return found;
}
