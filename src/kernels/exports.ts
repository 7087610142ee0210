/** The signatures of the kernels in assembly/, one member a kernel. All pointers are byte addresses in the arena. */
export interface KernelExports {
  /** Sum of `count` f32 values, in f64, in index order. Placeholder of the first commit. */
  sumF32(values: number, count: number): number;
}
