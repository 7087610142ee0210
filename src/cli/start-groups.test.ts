import { expect, test } from "vitest";
import { startInGroups } from "./start-groups.ts";

/** Starts ten, four at a time; `look` is called with the number of those started while a group gets in. */
async function startTen(look: (count: number, abort: () => void) => boolean) {
  const controller = new AbortController();
  const started: { isInside: boolean }[] = [];
  await startInGroups({
    ...{ count: 10, together: 4, signal: controller.signal },
    start: (number) => {
      expect(number).toBe(started.length);
      const one = { isInside: false };
      started.push(one);
      return one;
    },
    letIn: async (group) => {
      const isInside = look(started.length, () => controller.abort());
      for (const one of group) one.isInside = isInside;
    },
  });
  return started.length;
}

test("each group is started once that before got in", async () => {
  const seen: number[] = [];
  expect(await startTen((count) => seen.push(count) > 0)).toBe(10);
  expect(seen).toEqual([4, 8, 10]);
});

test("after a group that did not get in nobody is started", async () => {
  expect(await startTen((count) => count < 8)).toBe(8);
});

test("nobody is started after ctrl-C", async () => {
  const interrupted = await startTen((_, abort) => {
    abort();
    return true;
  });
  expect(interrupted).toBe(4);
});
