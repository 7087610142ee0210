/** The short form of `npm run namespaces`; without root it says why it is passed over. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { runProcess } from "../e2e/support.ts";
import { root } from "../tidy/sources.ts";

test("a run over four network namespaces ends well, and so it does when a cable is out for a moment", async () => {
  const script = join(root, "scripts/namespaces.mjs");
  const { code, stdout } = await runProcess(process.execPath, [script, "--short"]);
  expect(code, stdout).toBe(0);
  const isRoot = process.getuid?.() === 0;
  if (isRoot && !stdout.includes("passed over")) expect(stdout.match(/^ok /gm)).toHaveLength(2);
  else expect(stdout).toMatch(/passed over, as /);
});
