/** Why a run on a cluster failed, where no code is to blame: somebody was lost or never came, or a port is taken. */
export class ClusterError extends Error {
  override readonly name = "ClusterError";
  /** It was asked to end; only in good order it can't. */
  readonly isAsked: boolean;

  constructor(message: string, { isAsked = false }: { readonly isAsked?: boolean } = {}) {
    super(message);
    this.isAsked = isAsked;
  }
}
