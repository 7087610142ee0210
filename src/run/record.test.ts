import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { findRun, listRuns, readEvents } from "./history.ts";
import { newRunId, RunRecord } from "./record.ts";
import { resolveSettings } from "./settings-origin.ts";

const folder = mkdtempSync(join(tmpdir(), "glissade-record-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const resolved = resolveSettings({
  flags: { l2: "1e-3" },
  environment: { GLISSADE_TOKEN: "s3cret" },
  config: null,
});

function open(runs: string) {
  return RunRecord.open({ runs: join(folder, runs), command: "train", version: "0", resolved });
}

test("ids sort by time", () => {
  const times = [0, 1, 999, 1000, 86_400_000, 1e12].map((time) => newRunId(new Date(time)));
  expect(times.toSorted()).toEqual(times);
  expect(times[2]).toMatch(/^19700101-000000999-[a-z]{4}$/);
});

test("every event is on disk, in order, when the record is closed", async () => {
  const record = await open("events");
  for (let i = 0; i < 5000; i++) {
    record.append({ v: 1, time: i, kind: "progress", rank: 0, rows: i, clock: i });
    if (i % 1000 === 0) await new Promise((resume) => setImmediate(resume));
  }
  await record[Symbol.asyncDispose]();
  const events = readEvents(record.folder);
  expect(events.map(({ time }) => time)).toEqual(Array.from({ length: 5000 }, (_, i) => i));
  expect(record.problem()).toBeNull();
});

test("a record that was cut off in the middle of a line is read up to there", async () => {
  const record = await open("cut");
  record.append({ v: 1, time: 1, kind: "progress", rank: 0, rows: 1, clock: 1 });
  await record[Symbol.asyncDispose]();
  appendFileSync(record.path("events.jsonl"), '{"v":1,"time":2,"ki');
  expect(readEvents(record.folder)).toHaveLength(1);
});

test("the manifest tells what the run chose, and how it ended is known from it", async () => {
  const record = await open("manifest");
  const reason = "because";
  record.append({ v: 1, time: 0, kind: "calibrated", setting: "l2", value: 1, reason, seconds: 0 });
  await record.update({});
  const [run] = listRuns(join(folder, "manifest"));
  expect(run).toMatchObject({ run: record.id, status: "running" });
  expect(run!.manifest.chosen).toEqual([{ setting: "l2", value: 1, reason }]);
  expect(run!.manifest.settings.l2).toEqual({ value: 1e-3, from: "flag", where: "--l2" });
  const path = record.path("manifest.json");
  const text = readFileSync(path, "utf8");
  expect(text).not.toContain("s3cret");
  // A process number that no system gives: the run was killed.
  writeFileSync(path, JSON.stringify({ ...JSON.parse(text), process: 2 ** 30 }));
  expect(listRuns(join(folder, "manifest"))[0]!.status).toBe("unfinished");
  await record[Symbol.asyncDispose]();
});

test("runs are found by id, by a part that only one has, or as the latest", async () => {
  const records = [await open("find"), await open("find"), await open("find")];
  mkdirSync(join(folder, "find/not-a-run"));
  const runs = join(folder, "find");
  expect(listRuns(runs)).toHaveLength(3);
  const ids = records.map(({ id }) => id).toSorted();
  expect(findRun(runs, ids[1]!)?.run).toBe(ids[1]);
  expect(findRun(runs, ids[1]!.slice(-4))?.run).toBe(ids[1]);
  expect(findRun(runs, "latest")?.run).toBe(ids[2]);
  expect(findRun(runs, ids[1]!.slice(0, 8))).toBeNull();
  expect(listRuns(join(folder, "none"))).toEqual([]);
  for (const record of records) await record[Symbol.asyncDispose]();
});
