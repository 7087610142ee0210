/** Why a run on a cluster failed, where no code is to blame: somebody was lost or never came, or a port is taken. */
export class ClusterError extends Error {
  override readonly name = "ClusterError";
}
