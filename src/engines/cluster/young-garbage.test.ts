import { expect, test } from "vitest";
import { createYoungGarbage } from "./young-garbage.ts";

/** Lets immediates of so many turns run. */
async function turns(count: number): Promise<void> {
  for (let k = 0; k < count; k++) await new Promise((resume) => setImmediate(resume));
}

test("what a frame leads to comes before the collection, though it is queued after it", async () => {
  const done: string[] = [];
  const note = createYoungGarbage(() => void done.push("collect"));
  note(1 << 20);
  setImmediate(() => done.push("learn"));
  await turns(3);
  expect(done).toEqual(["learn", "collect"]);
});

test("a mebibyte of frames is collected once, less is not", async () => {
  let collected = 0;
  const note = createYoungGarbage(() => void collected++);
  for (let k = 0; k < 5; k++) note(1 << 18);
  await turns(3);
  expect(collected).toBe(1);
});
