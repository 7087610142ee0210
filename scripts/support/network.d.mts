import type { Fate } from "./tcp-proxy.mjs";

/** Whether connections that one rank dials to another are meant. */
export type Between = (from: number, to: number) => boolean;

export const coordinatorRank: -1;

/** Owns the proxies of all processes, until it is disposed. */
export class Network implements AsyncDisposable {
  place(rank: number, target: string): Promise<string>;
  tear(holds: Between, fate: Fate): () => void;
  [Symbol.asyncDispose](): Promise<void>;
}

export function dialsFrom(rank: number): {
  readonly NODE_OPTIONS: string;
  readonly GLISSADE_FROM: string;
};
export function around(ranks: readonly number[]): Between;
export function between(one: number, other: number): Between;
export function towards(rank: number): Between;
