/** Every example runs as it stands, through the package's own name. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const folder = fileURLToPath(new URL("../../examples/", import.meta.url));

for (const name of readdirSync(folder).filter((file) => /\.[cm]js$/.test(file))) {
  test(`examples/${name} runs and prints something`, () => {
    const printed = execFileSync(process.execPath, [`${folder}${name}`], { encoding: "utf8" });
    expect(printed.trim()).not.toBe("");
  });
}
