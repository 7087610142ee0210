/** What can be known of a run before its rows are read: nobody should wait for a refusal. */
import { needsColumns } from "../engines/engine.ts";
import { loadStrategy, strategySource } from "../engines/strategy-source.ts";
import { strategyOptions } from "../strategies/strategy.ts";
import { memberOptions } from "./choose-learning.ts";
import type { Settings } from "./settings.ts";
import { refuseUnavailable } from "./settings-effect.ts";
import { autoStrategy, strategiesOfOneProcess } from "./strategy-names.ts";

/** No strategy can refuse a width that is not known. */
const unknownWidth = Number.NaN;

/**
 * Refuses what the strategy, or the engine, would refuse once all rows are read.
 * @throws RangeError that names what is asked, what must be and what is, or a strategy's file that can't be loaded.
 */
export async function refusePlan(settings: Settings, workers: number): Promise<void> {
  refuseUnavailable(settings);
  const { engine, strategy: name, topology } = settings;
  if ([autoStrategy, ...strategiesOfOneProcess].includes(name)) return;
  const strategy = await loadStrategy(strategySource(name));
  const where = engine === "cluster" ? "a cluster" : engine;
  const refuse = (reason: string): never => {
    throw new RangeError(`Cannot run ${strategy.name} on ${where}: ${reason}`);
  };
  if (engine === "cluster" && strategy.owns === "columns") refuse(needsColumns);
  const usual = strategy.usualTopology?.(workers)?.topology ?? strategyOptions().topology;
  const options = strategyOptions({
    ...memberOptions(settings),
    topology: topology === "auto" ? usual : topology,
  });
  const reason = strategy.refuses?.({ workers, width: unknownWidth }, options) ?? null;
  if (reason !== null) refuse(reason);
}
