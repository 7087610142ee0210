/** What can be known of a run before its rows are read: nobody should wait for a refusal. */
import { needsColumns } from "../engines/engine.ts";
import { loadStrategy, strategySource } from "../engines/strategy-source.ts";
import { strategyOptions } from "../strategies/strategy.ts";
import { memberOptions } from "./choose-learning.ts";
import type { Settings } from "./settings.ts";
import { refuseUnavailable } from "./settings-effect.ts";
import { autoStrategy, strategiesOfOneProcess } from "./strategy-names.ts";

/** Rows are not read yet; none of our strategies refuses so many columns. A user's own is asked once they are. */
const mostColumns = Number.MAX_SAFE_INTEGER;

/**
 * Refuses what the strategy, or the engine, would refuse once all rows are read.
 * @throws RangeError that names what is asked, what must be and what is, or a strategy's file that can't be loaded.
 */
export async function refusePlan(settings: Settings, workers: number): Promise<void> {
  refuseUnavailable(settings);
  const { engine, strategy: name, topology } = settings;
  if ([autoStrategy, ...strategiesOfOneProcess].includes(name)) return;
  const source = strategySource(name);
  const strategy = await loadStrategy(source);
  const where = engine === "cluster" ? "a cluster" : engine;
  const refuse = (reason: string): never => {
    throw new RangeError(`Cannot run ${strategy.name} on ${where}: ${reason}`);
  };
  if (engine === "cluster" && strategy.owns === "columns") refuse(needsColumns);
  if ("module" in source) return;
  const usual = strategy.usualTopology?.(workers)?.topology ?? strategyOptions().topology;
  const options = strategyOptions({
    ...memberOptions(settings),
    topology: topology === "auto" ? usual : topology,
  });
  const reason = strategy.refuses?.({ workers, width: mostColumns }, options) ?? null;
  if (reason !== null) refuse(reason);
}
