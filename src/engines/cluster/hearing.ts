/**
 * What peers say, looked at before a strategy hears it.
 *
 * A strategy that throws at a message that has its shape is at fault itself, and its member ends: its state may be
 * half changed. The error names the message and who sent it.
 */
import { type FrameRead, readFrame } from "../../wire/frame.ts";
import { anyKind, type MessageShapes, messageFault } from "../../wire/shape.ts";
import { deliverMessage, type MemberHost } from "../member-host.ts";
import { firstLifeOf } from "../membered.ts";
import type { ClusterJob } from "./job.ts";
import type { LimitWatch } from "./protection.ts";

/** Who sent a frame, and the run that it was sent in. */
export interface Hearing {
  readonly from: number;
  readonly incarnation: number;
  readonly watch: LimitWatch;
  readonly job: Pick<ClusterJob, "epochs">;
  /** Updates that an epoch is cut into. */
  readonly updates: number;
}

/** Before a run begins a member sends a few frames. */
const earlyFramesMax = 4096;

const anything: MessageShapes = { [anyKind]: { fields: {}, open: true } };
/** A model may count rows that were lost with members, and those of a run it goes on from. */
const rowsSlack = 4;

/** Gives the strategy the message of a frame; returns why no member of this run sends it, or null. */
export function hear(bytes: Uint8Array, host: MemberHost, hearing: Hearing): string | null {
  const read = readPlausible(bytes, host, hearing);
  if ("fault" in read) return read.fault;
  const { body } = read;
  try {
    deliverMessage(host, hearing.from, body);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `strategy ${host.strategy.name} failed at message ${JSON.stringify(body.kind.slice(0, 40))} of member ${hearing.from}: ${reason}`,
      { cause: error },
    );
  }
  return null;
}

/** A frame that came before the run began here. */
export interface EarlyFrame {
  readonly from: number;
  readonly bytes: Uint8Array;
}

/** Keeps a frame until the run begins; returns why not, or null. */
export function keepEarly(
  early: EarlyFrame[],
  bytes: Uint8Array,
  { from, watch }: Hearing,
): string | null {
  const own = early.filter((frame) => frame.from === from);
  const kept = own.reduce((sum, frame) => sum + frame.bytes.byteLength, bytes.byteLength);
  if (kept > watch.limits.buffered || own.length > earlyFramesMax) {
    watch.reached("buffered", `member ${from}`);
    return "more than may wait for the run to begin";
  }
  early.push({ from, bytes });
  return null;
}

/** The message in a peer's frame, or why no member of this run sends it. */
export function readPlausible(bytes: Uint8Array, host: MemberHost, hearing: Hearing): FrameRead {
  const read = readFrame(bytes);
  if ("fault" in read) return read;
  const { replica, seat, strategy, width } = host;
  const { seats, workers, options } = seat;
  const { from, incarnation, watch, job, updates } = hearing;
  const normMax = watch.limits.norm;
  const rowsMax = (1 + job.epochs) * updates * workers * options.rowsPerUpdate;
  const sender = seats[from]!;
  const initialRows = seat.initial?.rows ?? 0;
  const fault = messageFault(strategy.shapes ?? anything, read.body, {
    ...{ width, normMax: normMax / replica.scale(replica.rows), workers },
    ...{ seats, members: seats.length },
    ...{ own: replica.values.length, theirs: sender.range.to - sender.range.from },
    ...{ senderRole: sender.role, receiverRole: seats[seat.rank]!.role },
    lives: [firstLifeOf(incarnation), firstLifeOf(incarnation + 1) - 1],
    // Where members went, others have their rows too, and batches grow with them.
    batchRowsMax: rowsSlack * workers * (options.rowsPerUpdate + 1),
    modelRowsMax: initialRows + rowsSlack * (rowsMax + workers * options.rowsPerUpdate),
  });
  return fault === null ? read : { fault };
}
