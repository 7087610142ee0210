/**
 * What a member of peer-to-peer lacks though others have it, and when that is too much to learn on.
 *
 * Members that hear nobody, and groups that hear only themselves, do no harm: each comes to its own optimum and what
 * they did adds up to a model that the next steps put right. Two that don't hear each other while a third hears both
 * do: the third takes back what each of them adds in ignorance of the other, both add it again, and the model runs
 * away, the faster the larger the steps. In the field's terms: near the optimum the sums of updates follow
 * dD/dt = -A D, where A[i][j] = 1 if i hears j; A has no negative eigenvalue if who hears whom are groups without
 * links between them, and has one if there is a path of three that is no triangle.
 *
 * So of two that don't hear each other, while somebody hears both, the one of higher rank waits: it learns of the
 * other's updates by what the third says to have (`seen`). Nobody waits for a member that is slow or stopped, for
 * then nobody has updates of it.
 *
 * Invariant: no worker begins an update while it knows that it lacks more than `lackBound` of a present member of
 * lower rank. The lowest rank never waits, and what is lacked comes once the members reach each other, or from others
 * (peer-flush.ts) once the view is without the member. Up to eight members one of two that don't hear each other is
 * voted out, so no wait is without end. Among more, members hear beats of a few others only (membership): nobody is voted
 * out for a link between two others, and a wait lasts as long as that link is broken, which `status` shows. What
 * counts is the word of present members (`told`): who says to have what was never made holds up others for as
 * long as it is in the view, and the member that is said to have made it has it expelled.
 */
import { type Peer, type PeerState, presentPeers } from "./peer-state.ts";

/** So many updates of a member that others have may be missing, and as many more as updates are stale anyway. */
const lackMax = 64;

/** How many may be: where ways are long, what others have is on its way; more is a cut. */
export function lackBound({ staleness }: PeerState): number {
  return lackMax + staleness;
}

/** Whether too much of a member of lower rank is missing here to learn on. */
export function isLacking(state: PeerState): boolean {
  const bound = lackBound(state);
  return presentPeers(state).some((peer) => peer.rank < state.rank && lackOf(peer) > bound);
}

/** How many updates of a member are missing here that somebody else has. */
function lackOf({ told, intake }: Peer): number {
  return told - intake.below - intake.ahead.size;
}
