/**
 * Where the code of a worker thread is. A worker runs from dist/ even when the program runs from src/, as
 * tests do: Node 20 does not read TypeScript, and a worker does not have the test runner's loader.
 */
const sources = new URL("..", import.meta.url).href;

/** The built file of the worker `name` that stands beside the module `from` (its import.meta.url). */
export function workerUrl(name: string, from: string): URL {
  if (!from.endsWith(".ts")) return new URL(`./${name}.js`, from);
  const folder = new URL(".", from).href.slice(sources.length);
  return new URL(`../dist/${folder}${name}.js`, sources);
}
