/**
 * Serial SGD, the reference for everything: learn some rows, apply what was learned, repeat.
 *
 * Source: algorithms.md, sections 1 and 12: serial is the composition of updates of the same rows per
 * update through the same apply, which is what one member of any strategy equals bit for bit.
 * Invariant: with one worker, local mode and the same rows per update every strategy gives the weights
 * of serial bit for bit.
 */
import type { Replica } from "../math/replica.ts";
import {
  learnEffect,
  type MessageBody,
  type NodeEvent,
  type Outbox,
  type Strategy,
  type StrategyOptions,
} from "./strategy.ts";

interface SerialState {
  readonly options: StrategyOptions;
  readonly rank: number;
  /** Own updates so far. */
  clock: number;
  leaving: boolean;
}

/** One worker, no messages. */
export const serial: Strategy<SerialState> = {
  name: "serial",
  sharing: "messages",
  pace: "lockstep",
  conserves: () => "sum",
  refuses: ({ workers }) =>
    workers === 1 ? null : `serial runs on one worker: current value is ${workers} workers`,
  shapes: {},
  init: ({ rank, round = 0 }, options) => ({ options, rank, clock: round, leaving: false }),
  step,
};

function step(
  state: SerialState,
  replica: Replica,
  event: NodeEvent<MessageBody>,
  out: Outbox<MessageBody>,
): void {
  switch (event.kind) {
    case "start":
      return askToLearn(state, out);
    case "learned":
      replica.apply(event.update);
      state.clock++;
      out.push({
        kind: "report",
        report: { kind: "applied", from: state.rank, clock: state.clock, staleness: 0 },
      });
      return state.leaving ? out.push({ kind: "finish" }) : askToLearn(state, out);
    case "exhausted":
      return out.push({ kind: "finish" });
    case "leave":
      state.leaving = true;
      return;
    case "message":
      return out.push({ kind: "drop", from: event.from, reason: "serial takes no messages" });
    case "wake":
    case "view":
    case "predicted":
      return;
    default:
      event satisfies never;
  }
}

function askToLearn({ options, clock }: SerialState, out: Outbox<MessageBody>): void {
  out.push(learnEffect(options, { workers: 1, round: clock + 1 }));
}
