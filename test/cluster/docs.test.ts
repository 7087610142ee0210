/** docs/cluster.md is true: its commands run as they stand, and every message it explains exists. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { glissade, temporaryFolder } from "../e2e/support.ts";
import { readSources, root } from "../tidy/sources.ts";

const page = readFileSync(join(root, "docs/cluster.md"), "utf8");

test("the commands of docs/cluster.md run, the worker beside its coordinator", async () => {
  const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, code]) => code!.trim());
  const commands = blocks.map((line) => line.replace(/^glissade /, "").split(/ +/));
  expect(commands.map(([name]) => name)).toEqual(["train", "coordinator", "worker", "doctor"]);
  const cwd = temporaryFolder();
  const env = { GLISSADE_TOKEN: "of-the-page" };
  // Another port, as the page's own may be taken on this machine.
  const port = `${await freePort()}`;
  const run = (args: readonly string[]) =>
    glissade(
      args.map((word) => word.replace("7650", port)),
      { cwd, env },
    );
  const [train, coordinator, worker, doctor] = commands as [string[], string[], string[], string[]];
  const outcomes = [
    await run(train),
    await run(doctor),
    ...(await Promise.all([run(coordinator), run(worker)])),
  ];
  for (const { code, stderr } of outcomes) expect(code, stderr).toBe(0);
});

test("every message that docs/cluster.md explains is one of the program's", () => {
  const sources = readSources([".ts"])
    .filter(({ path }) => path.startsWith("src/") && !path.endsWith(".test.ts"))
    .map(({ text }) => text.replaceAll(/\$\{[^}]*\}/g, "#"))
    .join("\n");
  const messages = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, text]) => text!);
  expect(messages.length).toBeGreaterThan(10);
  // gRPC's own words are not ours to find.
  for (const message of messages.filter((text) => !text.includes("ECONNREFUSED"))) {
    // Numbers and names stand for what is filled in.
    const parts = message.split(
      /\.\.\.|\b(?:HOST:PORT|HOST|N|X|Y|60|2\.1|"glissade")\b|"glissade"/,
    );
    for (const part of parts.map((text) => text.trim()).filter((text) => text.length > 6)) {
      expect(sources.includes(part), `${message}: ${part}`).toBe(true);
    }
  }
});
