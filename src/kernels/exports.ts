import type { ReadingKernels } from "./exports-parse.ts";
import type { SharedKernels } from "./exports-shared.ts";

/** SGD over a list of rows; see assembly/sgd.ts. `scale` and `coefficient`: f64, one a row of the list. */
export type SgdKernel = (
  rows: number,
  count: number,
  read: number,
  write: number,
  scale: number,
  coefficient: number,
  threshold: number,
) => void;

/** Adds the losses to results[0] and the errors to results[1] (f64); see assembly/evaluate.ts. */
export type EvaluateKernel = (
  rows: number,
  count: number,
  v: number,
  scale: number,
  results: number,
  threshold: number,
) => void;

/** Dual coordinate ascent over a list of rows; see assembly/sdca.ts. `positions`: where a row's dual lies. */
export type SdcaKernel = (
  rows: number,
  positions: number,
  count: number,
  u: number,
  norms: number,
  dual: number,
  lambdaN: number,
  threshold: number,
) => void;

/**
 * The kernels in assembly/, one member a kernel. Every pointer is a byte address in the arena, a
 * list of rows holds pairs (u32 address of a block, u32 row number in it), so one call may cross blocks.
 */
export interface KernelExports extends ReadingKernels, SharedKernels {
  sgdHinge: SgdKernel;
  sgdSquaredHinge: SgdKernel;
  sgdLog: SgdKernel;
  sgdSquared: SgdKernel;
  evaluateHinge: EvaluateKernel;
  evaluateSquaredHinge: EvaluateKernel;
  evaluateLog: EvaluateKernel;
  evaluateSquared: EvaluateKernel;
  sdcaHinge: SdcaKernel;
  sdcaSquaredHinge: SdcaKernel;
  sdcaLog: SdcaKernel;
  sdcaSquared: SdcaKernel;
  rowNorms(rows: number, positions: number, count: number, norms: number): void;
  dualRows(
    loss: number,
    rows: number,
    positions: number,
    count: number,
    u: number,
    dual: number,
    threshold: number,
  ): number;
  splitBlock(
    rowIds: number,
    count: number,
    base: number,
    seed: number,
    share: number,
    training: number,
    validation: number,
  ): number;
  adjustRows(
    loss: number,
    rows: number,
    count: number,
    margins: number,
    coefficient: number,
    threshold: number,
    write: number,
  ): void;
  drawRows(
    rowIds: number,
    count: number,
    base: number,
    splitSeed: number,
    splitShare: number,
    seed: number,
    share: number,
    drawn: number,
  ): number;
  listRun(
    rows: number,
    positions: number,
    block: number,
    first: number,
    count: number,
    before: number,
  ): void;
  copyRows(rows: number, count: number, to: number): void;
  fillOptimal(
    t0: number,
    t: number,
    step: number,
    constant: number,
    count: number,
    scale: number,
    coefficient: number,
  ): void;
  predictRows(rows: number, count: number, v: number, scale: number, predictions: number): void;
  anticipateRows(
    loss: number,
    rows: number,
    count: number,
    v: number,
    sigma: number,
    scale: number,
    coefficient: number,
    threshold: number,
  ): void;
  differenceCounted(after: number, before: number, sigma: number, out: number, width: number): void;
  adagradRows(
    loss: number,
    rows: number,
    count: number,
    w: number,
    squares: number,
    seen: number,
    rowsBefore: number,
    rate: number,
    l2: number,
    threshold: number,
  ): void;
  adagradSettle(
    w: number,
    squares: number,
    seen: number,
    width: number,
    now: number,
    rate: number,
    l2: number,
  ): void;
  addDense(factor: number, u: number, v: number, width: number): void;
  addSparse(factor: number, index: number, value: number, count: number, v: number): void;
  scaleDense(factor: number, v: number, width: number): void;
  differenceDense(after: number, before: number, out: number, width: number): void;
  halfDifference(theirs: number, own: number, half: number, width: number): void;
  countEntries(rows: number, count: number): number;
  copyTouched(rows: number, count: number, from: number, to: number): void;
  listTouched(
    rows: number,
    count: number,
    after: number,
    before: number,
    bits: number,
    words: number,
    index: number,
    value: number,
  ): number;
  countNonZeros(v: number, width: number): number;
  listNonZeros(v: number, width: number, index: number, value: number): number;
  gather(v: number, index: number, count: number, out: number): void;
  copyAt(from: number, index: number, count: number, v: number): void;
  moveAverage(share: number, scale: number, v: number, average: number, width: number): void;
  squaredNorm(v: number, width: number): number;
}
