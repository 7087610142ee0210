/** compare, simulate, measure, new and check, run the way a user does. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { glissade, smallNews, temporaryFolder } from "./support.ts";

const shared = [smallNews, "--l2", "1e-3", "--epochs", "2"];

test("compare prints a line for every strategy and number of workers, a failed one with its reason", async () => {
  const args = ["--strategies", "serial,hogwild,bsp,./missing.mjs", "--workers", "1,2"];
  const { code, stdout } = await glissade(["compare", ...shared, ...args]);
  expect(code).toBe(0);
  const lines = stdout.trim().split("\n");
  expect(lines).toHaveLength(1 + 1 + 3 * 2);
  expect(lines[0]).toMatch(/^strategy +workers +runs +learning +loss/);
  expect(lines.filter((line) => line.includes("failed: "))).toHaveLength(2);
});

test("compare --json ends with one object that holds every run", async () => {
  const args = ["--strategies", "serial,ssp", "--workers", "2", "--repeat", "2", "--json"];
  const { code, stdout } = await glissade(["compare", ...shared, ...args, "--target-loss", "5"]);
  expect(code).toBe(0);
  const record = JSON.parse(stdout.trim().split("\n").at(-1)!);
  expect(record).toMatchObject({ glissade: "1", command: "compare", status: "done" });
  expect(record.entries).toHaveLength(4);
  expect(record.rows[1].secondsToTarget.median).toBeGreaterThan(0);
});

test("compare runs on a cluster too, with l2 left open, and what exchanges no messages on threads", async () => {
  const args = ["--strategies", "serial,bsp,asp", "--engine", "cluster", "--workers", "2"];
  const rows = ["compare", smallNews, "--epochs", "1", "--json"];
  const { code, stdout, stderr } = await glissade([...rows, ...args]);
  expect(code, stderr).toBe(0);
  const { entries } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  const seen = entries.map(
    (one: { strategy: string; error: unknown; result: { engine: string } }) => [
      one.strategy,
      one.error,
      one.result.engine,
    ],
  );
  expect(seen).toEqual([
    ["serial", null, "threads"],
    ["bsp", null, "cluster"],
    ["asp", null, "cluster"],
  ]);
  expect(stderr).toContain("engine cluster: processes of this machine");
});

test("simulate, which is an engine of its own, takes no other", async () => {
  const { code, stderr } = await glissade(["simulate", ...shared, "--engine", "cluster"]);
  expect(code).toBe(2);
  expect(stderr).toContain("unknown option '--engine'");
});

test("compare exits with 1 when every run failed", async () => {
  const { code } = await glissade(["compare", ...shared, "--strategies", "./missing.mjs"]);
  expect(code).toBe(1);
});

test("train takes one number of workers, and says who takes several", async () => {
  const { code, stderr } = await glissade([
    "train",
    ...shared,
    "--workers",
    "1,2",
    "--strategy",
    "bsp",
  ]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/--workers: expected one number, found 1,2: glissade compare/);
});

test("simulate gives the same figures again, and slow members cost time", async () => {
  const simulate = async (...more: string[]) => {
    const args = ["--strategies", "bsp", "--workers", "8", "--json", ...more];
    const { stdout } = await glissade(["simulate", ...shared, ...args]);
    return JSON.parse(stdout.trim().split("\n").at(-1)!);
  };
  const first = await simulate();
  expect(await simulate()).toEqual(first);
  const slow = await simulate("--slow", "1:10", "--learn-cost", "100us");
  const quick = await simulate("--learn-cost", "100us");
  expect(slow.rows[0].seconds.median).toBeGreaterThan(5 * quick.rows[0].seconds.median);
  expect(slow.rows[0].loss).toEqual(quick.rows[0].loss);
});

test("measured costs go into a simulation; a file that holds none is refused with words", async () => {
  const folder = temporaryFolder();
  const { stdout } = await glissade(["measure"]);
  const costs = join(folder, "costs.json");
  writeFileSync(costs, stdout);
  const args = ["--strategies", "bsp", "--workers", "4", "--costs", costs];
  expect((await glissade(["simulate", ...shared, ...args])).code).toBe(0);
  writeFileSync(costs, '{"latencySeconds": -1}');
  const refused = await glissade(["simulate", ...shared, ...args]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/costs\.json: expected what glissade measure prints/);
});

test("a new strategy passes check and trains; it is never written over", async () => {
  const cwd = temporaryFolder();
  expect((await glissade(["new", "strategy", "./gossip.ts"], { cwd })).code).toBe(0);
  expect(existsSync(join(cwd, "gossip.ts"))).toBe(true);
  const again = await glissade(["new", "strategy", "./gossip.ts"], { cwd });
  expect(again.code).toBe(2);
  expect(again.stderr).toMatch(/gossip.ts exists/);
  const checked = await glissade(["check", "./gossip.ts", "--schedules", "20"], { cwd });
  expect(checked.code).toBe(0);
  expect(checked.stdout).toMatch(/ok +gossip: applies every update exactly once/);
  const args = ["train", ...shared, "--strategy", "./gossip.ts", "--workers", "2", "--json"];
  const trained = await glissade(args, { cwd });
  expect(JSON.parse(trained.stdout.trim().split("\n").at(-1)!).updates.sent).toBeGreaterThan(0);
});

test("check exits with 1 and prints the replay line for a strategy that breaks a law", async () => {
  const cwd = temporaryFolder();
  const strategy = `export const broken = {
    name: "broken", sharing: "messages", pace: "free", conserves: () => "sum",
    init: () => ({}),
    step(state, replica, event, out) {
      if (event.kind === "start" || event.kind === "learned") {
        if (Math.random() < 2) out.push({ kind: "learn", rows: 1, stride: 1, mode: "local" });
      }
      if (event.kind === "exhausted") out.push({ kind: "finish" });
    },
  };`;
  writeFileSync(join(cwd, "broken.mjs"), strategy);
  const { code, stdout } = await glissade(["check", "./broken.mjs", "--schedules", "5"], { cwd });
  expect(code).toBe(1);
  expect(stdout).toMatch(/broken +broken: /);
  expect(stdout).toMatch(/Replay: npx glissade check .\/broken.mjs --seed \d+ --schedules 1/);
});

test("compare counts a run that diverged as failed, with its reason", async () => {
  const rash = ["--merge", "sum", "--rows-per-update", "100", "--step", "constant:eta0=2"];
  const rules = ["--evaluate-every", "400rows", "--epochs", "50", "--loss", "log", "--l2", "1e-4"];
  const run = ["compare", smallNews, "--strategies", "bsp", "--workers", "4", "--json"];
  const { code, stdout } = await glissade([...run, ...rash, ...rules]);
  expect(code).toBe(1);
  const record = JSON.parse(stdout.trim().split("\n").at(-1)!);
  expect(record).toMatchObject({ status: "failed", rows: [{ runs: 1, failed: 1 }] });
  expect(record.entries[0]).toMatchObject({ result: null });
  expect(record.entries[0].error).toContain("training by bsp diverged");
});
