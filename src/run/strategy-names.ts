/** Names of strategies, as settings give them. */
import { readChoice, readList } from "./grammar.ts";

export const strategyNames = [
  "serial",
  "hogwild",
  "round-robin",
  "replicas",
  "bsp",
  "asp",
  "ssp",
  "dssp",
  "allreduce",
  "peer-to-peer",
  "d-psgd",
  "ad-psgd",
  "feature-parallel",
] as const;

/** The word for a strategy that the run chooses by itself. */
export const autoStrategy = "auto";

/** A strategy, or the word for one that the run chooses. */
export function readStrategyOrAuto(input: unknown): string {
  return input === autoStrategy ? autoStrategy : readStrategy(input);
}

/** A built-in name, or a path of a user's own. */
function readStrategy(input: unknown): string {
  const name = String(input);
  if (/[./\\]/.test(name)) return name;
  return readChoice(name, strategyNames);
}

/** Several, as a list or as text with commas. */
export function readStrategies(input: unknown): readonly string[] {
  const items = Array.isArray(input) ? input.map(String) : readList(String(input));
  return items.map(readStrategy);
}
