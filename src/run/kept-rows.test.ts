import { describe, expect, test } from "vitest";
import { blockOf, randomRows } from "../../test/support-blocks.ts";
import { type Block, viewBlock } from "../data/block.ts";
import { type BlockSource, residentBlocks } from "../data/block-source.ts";
import { isValidationRow } from "../data/split.ts";
import { Arena } from "../kernels/arena.ts";
import { loadKernels } from "../kernels/loader.ts";
import type { RowList } from "../learner/rows.ts";
import { randomStream } from "../math/random.ts";
import { keepRows } from "./kept-rows.ts";

const arena = new Arena();
const kernels = loadKernels(arena);
const rowsPerBlock = 700;
const split = { share: 0.1, seed: 1 };

function blocksOf(count: number): Block[] {
  const state = randomStream({ seed: 5, purpose: "test" });
  return Array.from({ length: count }, (_, k) =>
    blockOf(
      arena,
      randomRows(state, { rows: rowsPerBlock, columns: 90, perRow: 9 }),
      k * rowsPerBlock,
    ),
  );
}

/** Blocks that come and go, as far as anybody can tell. */
function fleeting(blocks: readonly Block[]): BlockSource {
  return { ...residentBlocks(blocks), resident: false };
}

/** Rows as plain data: id, label, entries. */
function contentOf({ pairs, count }: RowList) {
  return Array.from({ length: count }, (_, k) => {
    const block = viewBlock(arena.buffer, pairs[2 * k]!);
    const row = pairs[2 * k + 1]!;
    const [start, end] = [block.rowStart[row]!, block.rowStart[row + 1]!];
    return {
      id: block.rowIdBase + block.rowId[row]!,
      label: block.label[row]!,
      index: [...block.index.subarray(start, end)],
      value: [...block.value.subarray(start, end)],
    };
  });
}

function keep(source: BlockSource, sampleRows: number, seed = 1) {
  const rule = {
    split,
    heldShare: split.share,
    trainingRows: 2520,
    sampleRows,
    triedRows: 5000,
    seed,
  };
  return keepRows(arena, kernels, source, rule);
}

describe("rows that are kept", () => {
  const blocks = blocksOf(4);

  test("copies hold what the rows hold, in the same order", () => {
    const [here, copied] = [keep(residentBlocks(blocks), 500), keep(fleeting(blocks), 500)];
    const listsOf = ({ held, sample, tried }: typeof here) => [held, sample, tried()];
    for (const [k, list] of listsOf(here).entries()) {
      const [rows, copies] = [contentOf(list), contentOf(listsOf(copied)[k]!)];
      expect(copies.map(({ id: _, ...rest }) => rest)).toEqual(
        rows.map(({ id: _, ...rest }) => rest),
      );
    }
    expect(new Set(copied.sample.pairs)).not.toEqual(new Set(here.sample.pairs));
  });

  test("held rows are those of the split; no row of the sample is one of them", () => {
    const { held, sample } = keep(residentBlocks(blocks), 500);
    const isHeld = (rowId: number) => isValidationRow(split.share, { seed: split.seed, rowId });
    const all = Array.from({ length: 4 * rowsPerBlock }, (_, rowId) => rowId);
    expect(contentOf(held).map(({ id }) => id)).toEqual(all.filter(isHeld));
    expect(contentOf(sample).some(({ id }) => isHeld(id))).toBe(false);
  });

  test("the sample has about as many rows as asked for; another seed draws others", () => {
    const [one, other] = [1, 2].map((seed) =>
      contentOf(keep(residentBlocks(blocks), 500, seed).sample),
    );
    expect(Math.abs(one!.length - 500)).toBeLessThan(4 * Math.sqrt(400));
    const ids = new Set(one!.map(({ id }) => id));
    const common = other!.filter(({ id }) => ids.has(id)).length;
    expect(common).toBeLessThan(0.4 * one!.length);
  });

  test("fewer rows than asked for: all of them, each once, and in random order to try rates on", () => {
    const { sample, held, tried } = keep(residentBlocks(blocks), 10_000);
    expect(sample.count + held.count).toBe(4 * rowsPerBlock);
    const drawn = contentOf(tried()).map(({ id }) => id);
    const inOrder = contentOf(sample).map(({ id }) => id);
    expect(drawn).not.toEqual(inOrder);
    expect(drawn.toSorted((a, b) => a - b)).toEqual(inOrder);
  });
});
