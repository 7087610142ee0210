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

/** Strategies whose workers share one memory, or that have one worker only: nothing for members of a cluster. */
export const strategiesOfOneProcess: readonly string[] = [
  "serial",
  "hogwild",
  "round-robin",
  "replicas",
];

/** Strategies that members of a cluster run. */
export const strategiesOfCluster: readonly string[] = strategyNames.filter(
  // Members of a cluster hold rows, and owners of features need columns.
  (name) => !strategiesOfOneProcess.includes(name) && name !== "feature-parallel",
);

/** What takes part: on a cluster `auto` is the strategy whose members exchange messages and need no setting. */
export function strategyOn({
  engine,
  strategy,
}: {
  readonly engine: string;
  readonly strategy: string;
}): string {
  return engine === "cluster" && strategy === autoStrategy ? "bsp" : strategy;
}

/** A strategy, or the word for one that the run chooses. */
export function readStrategyOrAuto(input: unknown): string {
  return readStrategyOf([autoStrategy, ...strategyNames], input);
}

/** One of these names, or a path of a user's own. */
function readStrategyOf(names: readonly string[], input: unknown): string {
  const name = String(input);
  if (/[./\\]/.test(name)) return name;
  return readChoice(name, names, {}, " or a file such as ./mine.ts");
}

/** Several, as a list or as text with commas. */
export function readStrategies(input: unknown): readonly string[] {
  const items = Array.isArray(input) ? input.map(String) : readList(String(input));
  return items.map((item) => readStrategyOf(strategyNames, item));
}
