/** new strategy and check, as commands. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "glissade-check-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function glissade(...args: string[]) {
  return spawnSync(process.execPath, [main, ...args], { cwd: folder, encoding: "utf8" });
}

test("a new strategy passes its check; one with a bug fails with the line that replays it", () => {
  expect(glissade("new", "strategy", "./mine.ts").status).toBe(0);
  expect(glissade("new", "strategy", "./mine.ts").stderr).toMatch(/exists, and is left as it is/);
  const good = glissade("check", "./mine.ts", "--schedules", "20");
  expect(good.status, good.stderr).toBe(0);

  const path = join(folder, "mine.ts");
  const buggy = readFileSync(path, "utf8").replace(
    "rank < state.workers; rank++) replica",
    "rank < 2; rank++) replica",
  );
  writeFileSync(path, buggy.replaceAll("shares.get(rank)!", "shares.get(rank) ?? shares.get(0)!"));
  const bad = glissade("check", "./mine.ts", "--schedules", "100");
  expect(bad.status).toBe(1);
  const replay = /Replay: npx glissade (check \.\/mine\.ts --seed \d+ --schedules 1)/.exec(
    bad.stdout,
  )!;
  const again = glissade(...replay[1]!.split(" "));
  expect(again.status).toBe(1);
  expect(again.stdout).toContain("applies every update exactly once");
});
