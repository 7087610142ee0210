/**
 * Where a thread's entry lies, from the module that starts it: beside it in dist/, or, as threads can't run
 * TypeScript on Node 20, at the same place of dist/ when that module is run from src/ (in tests).
 */
export function builtUrl(entry: string, from: string): URL {
  if (from.endsWith(".js")) return new URL(`./${entry}.js`, from);
  return new URL(`./${entry}.js`, from.replace(/\/src\/(?!.*\/src\/)/, "/dist/"));
}
