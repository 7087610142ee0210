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
  init: ({ rank }, options) => ({ options, rank, clock: 0, leaving: false }),
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
      return out.push(learnEffect(state.options, 1));
    case "learned":
      replica.apply(event.update);
      state.clock++;
      out.push({
        kind: "report",
        report: { kind: "applied", from: state.rank, clock: state.clock, staleness: 0 },
      });
      return out.push(state.leaving ? { kind: "finish" } : learnEffect(state.options, 1));
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
