import fc from "fast-check";
import { expect, test } from "vitest";
import { blockOf } from "../../test/support-blocks.ts";
import { rowIdsOf } from "../data/block-source.ts";
import { isValidationRow } from "../data/split.ts";
import { Arena } from "../kernels/arena.ts";
import { loadKernels } from "../kernels/loader.ts";
import { splitRows } from "./split.ts";

const rows = Array.from({ length: 500 }, (_, k) => ({ label: 1, index: [k + 1], value: [1] }));

test("the kernel splits every row as the definition in 64-bit arithmetic does", () => {
  const arena = new Arena();
  const kernels = loadKernels(arena);
  fc.assert(
    fc.property(
      fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      fc.nat({ max: 2 ** 50 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (seed, base, share) => {
        const block = blockOf(arena, rows, base);
        const { training, validation } = splitRows(arena, kernels, rowIdsOf(block), {
          share,
          seed,
        });
        const expected = rows.map((_, k) => isValidationRow(share, { seed, rowId: base + k }));
        expect([...training]).toEqual(numbersWhere(expected, false));
        expect([...validation]).toEqual(numbersWhere(expected, true));
      },
    ),
    { numRuns: 50 },
  );
});

test("a share of 10 % keeps about 10 % of the rows, and another seed keeps others", () => {
  const chosen = (seed: number) =>
    Array.from({ length: 20_000 }, (_, rowId) => isValidationRow(0.1, { seed, rowId }));
  const [first, second] = [chosen(1), chosen(2)];
  const count = first.filter(Boolean).length;
  expect(Math.abs(count - 2000)).toBeLessThan(4 * Math.sqrt(1800));
  const both = first.filter((kept, k) => kept && second[k]).length;
  expect(Math.abs(both - 200)).toBeLessThan(4 * Math.sqrt(200));
});

function numbersWhere(flags: readonly boolean[], value: boolean): number[] {
  return flags.flatMap((flag, k) => (flag === value ? [k] : []));
}
