/** Rows in CSR form and how many columns they have. */
export interface StudyRows {
  readonly rowStart: Uint32Array;
  readonly index: Uint32Array;
  readonly value: Float32Array;
  readonly label: Float32Array;
  readonly width: number;
}

export interface StudyProblem {
  readonly loss: string;
  readonly l2: number;
  readonly t0: number;
  readonly shares: Float64Array;
}

export interface StudyRule {
  readonly stride: (workers: number, sigma: Float32Array | null, shares: Float64Array) => number;
  readonly sigma?: (rowsOfUpdate: number, workers: number) => number;
  readonly mean?: boolean;
}

export interface StudyModel {
  readonly v: Float32Array;
  readonly rows: number;
}

export function sharesOf(data: StudyRows, rowIds: Uint32Array): Float64Array;

export function learnRounds(
  data: StudyRows,
  problem: StudyProblem,
  run: {
    readonly workers: number;
    readonly rowsPerUpdate: number;
    readonly epochs: number;
    readonly seed: number;
    readonly rule: StudyRule;
    readonly rowIds: Uint32Array;
  },
): StudyModel;
