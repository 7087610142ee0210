/** Who dials: what a stream's metadata say of it, before any of that is proved. */
import type { Metadata } from "@grpc/grpc-js";
import { Refusal } from "./refusal.ts";

/** What a stream's metadata say of who dialled it. */
export interface Caller {
  readonly rank: number;
  readonly incarnation: number;
  readonly address: string;
  readonly session: string;
  /** The word of this side's that the caller knows. */
  readonly knows: string;
  readonly proof: string;
}

/** @throws Refusal when the caller wants another run, or another member than this process is. */
export function callerOf(
  metadata: Metadata,
  own: { readonly run: string; readonly rank: number; readonly incarnation: number },
): Caller {
  const read = (name: string) => String(metadata.get(name)[0] ?? "");
  const [run, to, life] = [
    read("glissade-run"),
    read("glissade-to"),
    read("glissade-to-incarnation"),
  ];
  if (run !== own.run) {
    throw new Refusal(`this process works for run ${own.run}, the caller for ${run}`);
  }
  if (Number(to) !== own.rank || Number(life) !== own.incarnation) {
    throw new Refusal(
      `this process is life ${own.incarnation} of member ${own.rank}, the caller wants life ${life} of member ${to}`,
    );
  }
  return {
    rank: Number(read("glissade-rank")),
    incarnation: Number(read("glissade-incarnation")),
    address: read("glissade-address"),
    session: read("glissade-session"),
    knows: read("glissade-knows"),
    proof: read("glissade-proof"),
  };
}
