/** Why a run on a cluster failed, where no code is to blame: somebody was lost, or never came. */
export class ClusterError extends Error {
  override readonly name = "ClusterError";
}
