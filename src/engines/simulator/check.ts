/**
 * What `glissade check ./mine.ts` does: every law (laws.ts) under many schedules, in the simulator. The first
 * seed that breaks a law is reported with the one command that replays it.
 */
import type { AnyStrategy, StrategyOptions } from "../../strategies/strategy.ts";
import { type Law, laws } from "./laws.ts";

/** How to check. */
export interface CheckOptions {
  /** Schedules per law. */
  readonly schedules: number;
  /** The first seed; one seed with `schedules: 1` replays one run. */
  readonly seed?: number;
  /** Settings that no schedule varies. */
  readonly fixed?: Partial<StrategyOptions>;
  /** How the strategy is named on the command line: a built-in name or a path. */
  readonly source?: string;
}

/** One law's verdict. */
export interface LawVerdict {
  readonly law: string;
  readonly schedules: number;
  /** Null when the law held under all of them. */
  readonly violation: Violation | null;
}

/** How a law was broken, and how to see it again. */
export interface Violation {
  readonly seed: number;
  readonly message: string;
  readonly replay: string;
}

/** All verdicts. */
export interface CheckReport {
  readonly strategy: string;
  readonly passed: boolean;
  readonly verdicts: readonly LawVerdict[];
}

/** Checks a strategy under that many random schedules. Deterministic: same strategy, same report. */
export function checkStrategy(strategy: AnyStrategy, options: CheckOptions): CheckReport {
  const verdicts = laws.map((law) => judge(strategy, law, options));
  const passed = verdicts.every(({ violation }) => violation === null);
  return { strategy: strategy.name, passed, verdicts };
}

function judge(strategy: AnyStrategy, law: Law, options: CheckOptions): LawVerdict {
  const first = options.seed ?? 1;
  for (let seed = first; seed < first + options.schedules; seed++) {
    const message = verdictOf(strategy, law, seed, options.fixed);
    if (message === null) continue;
    const replay = replayLine(options.source ?? strategy.name, seed);
    const violation = { seed, message, replay };
    return { law: law.name, schedules: seed - first + 1, violation };
  }
  return { law: law.name, schedules: options.schedules, violation: null };
}

/** A strategy that throws breaks the law it was running under: a failed assertion of its own, say. */
function verdictOf(
  strategy: AnyStrategy,
  law: Law,
  seed: number,
  fixed?: Partial<StrategyOptions>,
): string | null {
  try {
    return law.holds(strategy, seed, fixed);
  } catch (error) {
    return `threw ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The command that runs exactly that schedule again. */
export function replayLine(source: string, seed: number): string {
  return `npx glissade check ${source} --seed ${seed} --schedules 1`;
}

/** The report as lines for a person. */
export function reportLines({ strategy, verdicts }: CheckReport): string[] {
  return verdicts.flatMap(({ law, schedules, violation }) =>
    violation === null
      ? [`ok      ${strategy}: ${law} (${schedules} schedules)`]
      : [
          `broken  ${strategy}: ${law}, seed ${violation.seed}: ${violation.message}`,
          `        Replay: ${violation.replay}`,
        ],
  );
}
