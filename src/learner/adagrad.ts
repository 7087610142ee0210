/** AdaGrad as a solver, serial: w itself is stored, see assembly/sgd.ts. */
import type { LearnContext } from "./context.ts";
import type { RowOrder } from "./order.ts";
import { placeIn, type Solver } from "./solver.ts";

interface AdagradVectors {
  readonly w: Float32Array;
  /** Sums of squared slopes. */
  readonly squares: Float32Array;
  /** Rows up to which a coordinate's decay was applied. */
  readonly seen: Uint32Array;
}

function createVectors({ arena }: LearnContext, width: number): AdagradVectors {
  return {
    w: arena.allocateF32(width).fill(0),
    squares: arena.allocateF32(width).fill(0),
    seen: arena.allocateU32(width).fill(0),
  };
}

export function createAdagradSolver(
  context: LearnContext,
  options: {
    order: RowOrder;
    width: number;
    rate: number;
    start: Float32Array | null;
  },
): Solver {
  const { kernels, loss, l2, threshold } = context;
  const { width, order } = options;
  const { w, squares, seen } = createVectors(context, width);
  if (options.start) w.set(options.start);
  let { rate } = options;
  let rows = 0;
  const addresses = [w.byteOffset, squares.byteOffset, seen.byteOffset] as const;
  const settle = () => kernels.adagradSettle(...addresses, width, rows, rate, l2);
  const learnList = (address: number, count: number) =>
    kernels.adagradRows(loss.code, address, count, ...addresses, rows, rate, l2, threshold);
  return {
    name: "adagrad",
    epochRows: order.epochRows,
    get rows() {
      return rows;
    },
    learn(count) {
      for (const end = rows + count; rows < end; ) {
        const list = order.take(end - rows);
        learnList(list.address, list.count);
        rows += list.count;
      }
      order.settle();
    },
    weights() {
      settle();
      return { address: w.byteOffset, scale: 1, width };
    },
    restart(weights, factor) {
      rate *= factor;
      w.set(weights);
      squares.fill(0);
      seen.fill(rows);
    },
    state() {
      // Settled here and not only copied: what goes on from this state was settled at it too.
      settle();
      const { epoch, taken } = order;
      return {
        numbers: { rows, epoch, taken, rate },
        vectors: { w: w.slice(), squares: squares.slice() },
      };
    },
    resume({ numbers, vectors }) {
      rows = numbers.rows!;
      rate = numbers.rate!;
      w.set(vectors.w!);
      squares.set(vectors.squares!);
      seen.fill(rows);
      order.seek(placeIn(numbers));
    },
  };
}
