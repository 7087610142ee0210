#!/usr/bin/env node
/**
 * Generates src/engines/cluster/generated from the .proto files. The generator writes enums as TypeScript's
 * own, which this project's compiler settings refuse as they can't be erased: each becomes a constant record
 * and a type of the same name.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const folder = join(root, "src/engines/cluster");
const PATH = `${join(root, "node_modules/.bin")}${delimiter}${process.env.PATH}`;
const { status } = spawnSync("buf", ["generate", "."], {
  cwd: join(folder, "proto"),
  env: { ...process.env, PATH },
  stdio: "inherit",
});
if (status !== 0) process.exit(status ?? 1);

const generated = join(folder, "generated");
for (const name of readdirSync(generated, { recursive: true })) {
  if (!String(name).endsWith(".ts")) continue;
  const path = join(generated, String(name));
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replaceAll(/export enum (\w+) \{([\s\S]*?)\n\}/g, erasable));
}

function erasable(_, name, body) {
  const members = body.replaceAll(/^(\s*\w+) = (\d+),/gm, "$1: $2,");
  return `export const ${name} = {${members}\n} as const;\nexport type ${name} = (typeof ${name})[keyof typeof ${name}];`;
}
