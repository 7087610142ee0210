/** The real data of tests, which lie beside the checkout and are never copied into it. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../shared/data/", import.meta.url));

/** Path of a file under ../shared/data. @throws Error that says what is missing. */
export function sharedData(name: string): string {
  const path = `${folder}${name}`;
  if (!existsSync(path)) {
    throw new Error(
      `Tests need ${name} in ../shared/data beside the checkout, and it is not there`,
    );
  }
  return path;
}
