/** The end of `train` in words: the result of a run that has none, the summary, the requirements. */
import { formatCount, formatPercent, formatSeconds, formatSize } from "../report/format.ts";
import type { Rho } from "../run/describe.ts";
import type { RunError, TrainResult } from "../run/events.ts";
import type { Requirement } from "../run/rules.ts";
import type { Settings } from "../run/settings.ts";

/** The result of a run that ended before there was a model. */
export function emptyResult(
  settings: Settings,
  ended: { run: string | null; status: "failed" | "interrupted"; error: RunError | null },
): TrainResult {
  return {
    glissade: "1",
    command: "train",
    status: ended.status,
    strategy: settings.strategy,
    engine: settings.engine,
    workers: typeof settings.workers === "number" ? settings.workers : 0,
    solver: settings.solver,
    loss: settings.loss,
    l2: settings.l2 === "auto" ? null : settings.l2,
    rows: 0,
    columns: 0,
    nonZeros: 0,
    epochs: 0,
    stopped: ended.status,
    seconds: { load: 0, train: 0, evaluate: 0, total: performance.now() / 1000 },
    train: { objective: null, loss: null, rows: 0 },
    validation: null,
    test: null,
    gap: null,
    collisions: null,
    updates: { sent: 0, applied: 0, lost: 0 },
    bytes: { sent: 0, received: 0, perUpdate: null },
    members: null,
    model: null,
    run: ended.run,
    error: ended.error,
  };
}

/** One line a person can act on. */
export function summaryLine(result: TrainResult, workersByDefault: boolean): string {
  const { model, seconds, status, strategy, workers, members, bytes } = result;
  const parts = [
    status === "interrupted" ? "interrupted, best model so far" : "",
    status === "failed" ? "diverged, best model before" : "",
    scoreText(result),
    workers > 1 || members !== null
      ? `${strategy}, ${workers} worker${workers === 1 ? "" : "s"}${workersByDefault ? " (cores of this machine)" : ""}`
      : "",
    bytes.perUpdate === null ? "" : `${formatSize(Math.round(bytes.perUpdate))} an update`,
    formatSeconds(seconds.total),
  ].filter((part) => part !== "");
  return `${model}: ${parts.join(", ")}; try: glissade predict ${model} FILE`;
}

function scoreText({ test, validation, train }: TrainResult): string {
  const [score, rows] = test !== null ? [test, "test"] : [validation, "validation"];
  if (score === null) {
    return `objective ${train.objective?.toPrecision(6) ?? "unknown"} on ${formatCount(train.rows)} training rows`;
  }
  const quality =
    score.accuracy === null
      ? `loss ${score.loss.toPrecision(5)}`
      : `accuracy ${formatPercent(score.accuracy)}`;
  return `${quality} on ${formatCount(score.rows)} ${rows} rows`;
}

/** The conditions that do not hold, each with what was found; what was not measured does not hold. */
export function unmetRequirements(
  requirements: readonly Requirement[],
  result: TrainResult,
): string[] {
  return requirements.flatMap(({ quantity, operator, value, text }) => {
    const found = measured(quantity, result);
    if (found === null) return [`${text}: not met, as ${quantity} was not measured in this run`];
    return compare(found, operator, value)
      ? []
      : [`${text}: not met, found ${found.toPrecision(6)}`];
  });
}

function measured(quantity: Requirement["quantity"], result: TrainResult): number | null {
  switch (quantity) {
    case "gap":
      return result.gap?.certified ? result.gap.relative : null;
    case "loss":
      return result.validation?.loss ?? null;
    case "accuracy":
      return result.validation?.accuracy ?? null;
    case "test-loss":
      return result.test?.loss ?? null;
    case "test-accuracy":
      return result.test?.accuracy ?? null;
    case "objective":
      return result.train.objective;
    case "seconds":
      return result.seconds.total;
    case "lost-updates":
      return result.updates.lost;
    default:
      return quantity satisfies never;
  }
}

function compare(found: number, operator: Requirement["operator"], value: number): boolean {
  switch (operator) {
    case "<=":
      return found <= value;
    case ">=":
      return found >= value;
    case "<":
      return found < value;
    case ">":
      return found > value;
    default:
      return operator satisfies never;
  }
}

/** What hogwild's threads did to each other, beside what theory makes of the data; null for others. */
export function collisionLine({ collisions }: TrainResult): string | null {
  if (collisions === null) return null;
  const { watched, collided, expected } = collisions;
  const share = watched === 0 ? "" : ` (${formatPercent(collided / watched)})`;
  const found = `another thread met ${formatCount(collided)} of ${formatCount(watched)} watched rows${share}`;
  if (expected === null) return found;
  const { omega, delta, rho } = expected;
  return `${found}; of the data: Omega ${formatCount(omega)}, Delta ${delta.toFixed(4)}, rho ${rhoText(rho)}`;
}

/** Hogwild!'s rho, or what it lies between. */
export function rhoText({ low, high, rowsChecked }: Rho): string {
  if (low === high) return low.toFixed(4);
  return `between ${low.toFixed(4)} and ${high.toFixed(4)}, from ${formatCount(rowsChecked)} rows`;
}
