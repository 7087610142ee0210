/**
 * Where a worker thread's entry lies. Node 20 runs no TypeScript, so a thread started from the sources (as
 * tests are) runs the built file that stands for its entry in dist.
 */
import { existsSync } from "node:fs";

/**
 * @param path of the entry below the folder of sources, without an extension, as in "engines/shared/worker".
 * @throws Error when only the sources are there.
 */
export function workerUrl(path: string): URL {
  const fromSources = import.meta.url.endsWith(".ts");
  const root = fromSources ? "../../dist/" : "../";
  const url = new URL(`${root}${path}.js`, import.meta.url);
  if (fromSources && !existsSync(url)) {
    throw new Error(`Cannot start threads as ${url.pathname} is not built: run npm run build`);
  }
  return url;
}
