import fc from "fast-check";
import { expect, test } from "vitest";
import { blockOf, randomRows } from "../../test/support-blocks.ts";
import type { Block } from "../data/block.ts";
import { Arena } from "../kernels/arena.ts";
import { randomStream } from "../math/random.ts";
import { columnLoads, cutColumns } from "./columns.ts";

/** (row, column, value) of all non-zeros, the columns counted from `first`. */
function entriesOf({ rowStart, index, value }: Block, rows: Uint32Array, first: number): string[] {
  return Array.from(rows, (row) => row).flatMap((row, k) =>
    Array.from({ length: rowStart[row + 1]! - rowStart[row]! }, (_, i) => {
      const at = rowStart[row]! + i;
      return `${k} ${first + index[at]!} ${value[at]}`;
    }),
  );
}

test("the non-zeros of all workers' column blocks together are those of the rows", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 31 }), (seed, cut) => {
      const stream = randomStream({ seed, purpose: "columns" });
      const block = blockOf(new Arena(), randomRows(stream, { rows: 20, columns: 30, perRow: 9 }));
      const arena = new Arena();
      const part = { block, rows: Uint32Array.of(1, 4, 5, 11, 19) };
      const cuts = [
        { from: 0, to: cut },
        { from: cut, to: 31 },
      ];
      const halves = cuts.map((range) => cutColumns(arena, part, range));
      const together = halves.flatMap((half, k) => entriesOf(half.block, half.rows, cuts[k]!.from));
      expect(together.sort()).toEqual(entriesOf(block, part.rows, 0).sort());
      for (const half of halves) {
        expect([...half.block.label]).toEqual(Array.from(part.rows, (row) => block.label[row]));
      }
      const loads = columnLoads([part], 31);
      const sum = loads.subarray(0, cut).reduce((total, load) => total + load, 0);
      expect(halves[0]!.block.nonZeros).toBe(sum);
    }),
  );
});
