/** Rows that members read themselves, at a path that they share with the coordinator. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { glissade, lastObject, smallNews, temporaryFolder } from "../e2e/support.ts";
import { env, startCoordinator } from "./support-commands.ts";

const flags = ["--engine", "cluster", "--workers", "3", "--strategy", "allreduce", "--epochs", "2"];

async function converted(folder: string): Promise<string> {
  const path = join(folder, "news.blocks");
  const { code, stderr } = await glissade(["convert", smallNews, "-o", path], { cwd: folder });
  expect(code, stderr).toBe(0);
  return path;
}

/** Trains, and gives the model's bytes and what the workers logged. */
async function trained(folder: string, source: string, more: readonly string[]) {
  const model = join(folder, "model.safetensors");
  const args = ["train", source, ...flags, ...more, "-o", model, "--json"];
  const { code, stdout, stderr } = await glissade(args, { cwd: folder });
  expect(code, stderr).toBe(0);
  const logs = join(folder, "runs", lastObject(stdout).run, "logs");
  const lines = readdirSync(logs).map((name) => readFileSync(join(logs, name), "utf8"));
  return { weights: weightsIn(model), lines };
}

/** What follows the header, which names the run. */
function weightsIn(path: string): string {
  const bytes = readFileSync(path);
  return bytes.subarray(8 + Number(bytes.readBigUInt64LE(0))).toString("base64");
}

test.each([
  { name: "plain", more: [] },
  { name: "with a bias", more: ["--bias"] },
  { name: "without validation rows", more: ["--validation", "0"] },
])(
  "members read their rows from a block file they share, and learn the same: $name",
  async ({ more }) => {
    const folder = temporaryFolder();
    const shared = await trained(folder, await converted(folder), more);
    for (const text of shared.lines) expect(text).toContain("reads rows at");
    const sent = await trained(folder, smallNews, [...more, "--cache", "off"]);
    for (const text of sent.lines) expect(text).not.toContain("reads rows at");
    expect(shared.weights).toBe(sent.weights);
  },
);

test("members that find no such file, or another, are sent their rows, and say why", async () => {
  const folder = temporaryFolder();
  const path = await converted(folder);
  const more = ["--strategy", "allreduce", "--workers", "2", "--epochs", "2", "--seed", "1"];
  const coordinator = await startCoordinator(more, {}, path);
  const args = ["worker", "--join", coordinator.address];
  rmSync(path);
  let told = () => {};
  const asked = new Promise<void>((resolve) => {
    told = resolve;
  });
  const watch = (_: unknown, text: string) => void (/asks for rows/.test(text) && told());
  const first = glissade(args, { cwd: folder, env, watch });
  await asked;
  await converted(folder);
  const second = glissade(args, { cwd: folder, env });
  const ended = await coordinator.ended;
  expect(ended.code).toBe(0);
  for (const { code, stderr } of [await first, await second]) {
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/asks for rows, and does not read them at \S+news\.blocks: /);
  }
});
