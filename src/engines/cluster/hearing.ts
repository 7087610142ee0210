/** What peers say, looked at before a strategy hears it. */
import { type FrameRead, readFrame } from "../../wire/frame.ts";
import { implausible } from "../../wire/inspect.ts";
import type { MemberHost } from "../member-host.ts";

/**
 * The message in a peer's frame, or why no member of this run sends it.
 * @param normMax largest norm of an update, as weights.
 */
export function readPlausible(bytes: Uint8Array, host: MemberHost, normMax: number): FrameRead {
  const read = readFrame(bytes);
  if ("fault" in read) return read;
  const { replica, seat } = host;
  let width = 0;
  for (const { range } of seat.seats) if (range.to > width) width = range.to;
  const limits = { width, normMax: normMax / replica.scale(replica.rows) };
  const fault = implausible(read.body, limits);
  return fault === null ? read : { fault };
}
