/** What `glissade new strategy` writes: a small strategy that passes `glissade check`, to be changed. */

/** The text of a new strategy of that name. */
export function strategyTemplate(name: string): string {
  return template.replaceAll("my-strategy", name);
}

const template = `/**
 * my-strategy: rounds among peers. Everybody learns, sends its update to all others, and applies all updates of
 * a round in rank order, its own among them. Change it, then run:
 *
 *   npx glissade check ./my-strategy.ts
 *   npx glissade train news.svm --strategy ./my-strategy.ts --workers 2
 *
 * A strategy only decides. It may change its own state and the replica; clocks, timers, chance and files are not
 * for it: times arrive in events, and effects are pushed. State is plain data.
 *
 * Invariant: every worker applies every update exactly once, in the same order, so all hold the same bits.
 */
import type {
  NodeEvent,
  Outbox,
  Replica,
  Seat,
  Strategy,
  StrategyOptions,
} from "glissade/strategy";

/** A worker's update of a round; a message is a flat record with a kind. */
interface Share {
  readonly kind: "share";
  readonly round: number;
  readonly rows: number;
  readonly delta: Float32Array | { readonly index: Uint32Array; readonly value: Float32Array };
}

interface State {
  readonly rank: number;
  readonly workers: number;
  readonly rowsPerUpdate: number;
  round: number;
  /** Updates by round, then rank: others may be a round ahead, and messages may overtake each other. */
  readonly inbox: Map<number, Map<number, Share>>;
}

export const myStrategy: Strategy<State, Share> = {
  name: "my-strategy",
  sharing: "messages",
  // Rounds: the same seed gives the same bits under every delay. "free" for strategies without rounds.
  pace: "lockstep",
  // Every replica ends with the sum of all updates; "mean" where models are averaged.
  conserves: () => "sum",
  // On a network each message is compared with its shape before \`step\` sees it; who sends another is not heard.
  shapes: {
    share: {
      fields: {
        round: { type: "count", least: 1 },
        rows: { type: "rows", of: "update" },
        delta: { type: "delta", length: "whole" },
      },
    },
  },
  init: ({ rank, workers }: Seat, { rowsPerUpdate }: StrategyOptions) => ({
    rank,
    workers,
    rowsPerUpdate,
    round: 0,
    inbox: new Map(),
  }),
  step,
};

function step(
  state: State,
  replica: Replica,
  event: NodeEvent<Share>,
  out: Outbox<Share>,
): void {
  switch (event.kind) {
    case "start":
      return learn(state, out);
    case "learned": {
      state.round++;
      const { rows, delta } = event.update;
      const body: Share = { kind: "share", round: state.round, rows, delta };
      for (let to = 0; to < state.workers; to++) {
        if (to !== state.rank) out.push({ kind: "send", to, body });
      }
      return absorb(state, replica, { from: state.rank, body }, out);
    }
    case "message":
      return absorb(state, replica, event, out);
    case "exhausted":
      return out.push({ kind: "finish" });
    default:
      return;
  }
}

function learn(state: State, out: Outbox<Share>): void {
  // Updates are summed, so inside a run of its own rows a worker counts the others' rows too: the stride.
  out.push({ kind: "learn", rows: state.rowsPerUpdate, stride: state.workers, mode: "local" });
}

/** Keeps an update; ends the round when all are here. */
function absorb(
  state: State,
  replica: Replica,
  { from, body }: { readonly from: number; readonly body: Share },
  out: Outbox<Share>,
): void {
  const shares = state.inbox.get(body.round) ?? new Map<number, Share>();
  if (shares.has(from) || body.round < state.round) {
    return out.push({ kind: "drop", from, reason: "stale share" });
  }
  state.inbox.set(body.round, shares.set(from, body));
  if (body.round !== state.round || shares.size < state.workers) return;
  // In rank order, never in the order of arrival: rounding would depend on it.
  for (let rank = 0; rank < state.workers; rank++) replica.apply(shares.get(rank)!);
  state.inbox.delete(state.round);
  out.push({
    kind: "report",
    report: { kind: "applied", from: state.rank, clock: state.round, staleness: 0 },
  });
  learn(state, out);
}
`;
