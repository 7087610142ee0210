/** Kernels that threads run together on one job; see assembly/job.ts. */

/** @param job address of the job in the arena; @param rank which of its threads this is. */
export type SharedKernel = (job: number, rank: number) => void;

export interface SharedKernels {
  hogwildRows: SharedKernel;
  touchedRows: SharedKernel;
  lockedRows: SharedKernel;
  turnRows: SharedKernel;
  replicaRows: SharedKernel;
  mergeReplicas: SharedKernel;
  sdcaReplicaRows: SharedKernel;
  judgeRows: SharedKernel;
}
