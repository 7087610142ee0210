/** The table of all strategies that come with glissade. */
import { adPsgd } from "./ad-psgd.ts";
import { allreduce } from "./allreduce.ts";
import { dPsgd } from "./d-psgd.ts";
import { featureParallel } from "./feature-parallel.ts";
import { asp, bsp, dssp, ssp } from "./parameter-server.ts";
import { peerToPeer } from "./peer-to-peer.ts";
import { serial } from "./serial.ts";
import type { AnyStrategy } from "./strategy.ts";

/** Every built-in strategy that exchanges messages, in the order they are shown. */
export const messageStrategies: readonly AnyStrategy[] = [
  serial,
  bsp,
  asp,
  ssp,
  dssp,
  allreduce,
  peerToPeer,
  dPsgd,
  adPsgd,
  featureParallel,
];

/** The built-in strategy of that name, or undefined. */
export function strategyNamed(name: string): AnyStrategy | undefined {
  return messageStrategies.find((strategy) => strategy.name === name);
}
