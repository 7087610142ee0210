import fc from "fast-check";
import { expect, test } from "vitest";
import { blockOf, randomRows } from "../../test/support-blocks.ts";
import { Arena } from "../kernels/arena.ts";
import { loadKernels } from "../kernels/loader.ts";
import { randomStream } from "../math/random.ts";
import { allRows, type BlockRows, countRows, fillWindow, planEpoch } from "./rows.ts";

test("the kernel that lists runs gives the lists that the loop gives, whole blocks and parts of them", () => {
  const arena = new Arena();
  const { listRun } = loadKernels(arena);
  const state = randomStream({ seed: 3, purpose: "test" });
  const blocks = [90, 200, 31].map((rows) =>
    allRows(blockOf(arena, randomRows(state, { rows, columns: 9, perRow: 3 }))),
  );
  const some: BlockRows = {
    block: blocks[1]!.block,
    rows: blocks[1]!.rows.filter((k) => k % 3 > 0),
  };
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 2, max: 40 }),
      fc.boolean(),
      (seed, runRows, places) => {
        const parts = [blocks[0]!, some, blocks[2]!];
        const rowsOfParts = parts.map(({ rows }) => rows.length);
        const shape = { windowBlocks: 8, runRows };
        const [plan] = planEpoch(rowsOfParts, shape, { seed, epoch: 0 });
        const window = plan!.parts.map((k) => parts[k]!);
        const lists = [listRun, undefined].map((kernel) => {
          const pairs = arena.allocateU32(2 * countRows(parts) + 2);
          const positions = places ? arena.allocateU32(countRows(parts) + 1) : null;
          const options = { runRows, rowsBefore: [1000, 2000, 3000], start: 1 };
          fillWindow(plan!, window, options, { pairs, positions, listRun: kernel });
          return { pairs: pairs.slice(2), positions: positions?.slice(1) };
        });
        expect(lists[0]).toEqual(lists[1]);
      },
    ),
  );
});
