/**
 * The terminal's view of a run: a fold of its events into a few live lines, and into plain lines where
 * nothing can be redrawn. No colours, no cursor: whoever prints adds them.
 */
import type { Evaluated, Loading, RunEvent } from "../run/events.ts";
import {
  formatAge,
  formatCount,
  formatNumber,
  formatPercent,
  formatRate,
  formatSeconds,
  formatSize,
} from "./format.ts";

export interface TerminalState {
  phase: "starting" | "loading" | "training" | "done";
  strategy: string;
  workers: number;
  loading: { rows: number; bytes: number; bytesTotal: number | null };
  trainingSince: number;
  time: number;
  /** Rows learned, by rank. */
  rows: Map<number, number>;
  last: Evaluated | null;
  best: Evaluated | null;
}

export function startTerminal(): TerminalState {
  return {
    phase: "starting",
    strategy: "",
    workers: 1,
    loading: { rows: 0, bytes: 0, bytesTotal: null },
    trainingSince: 0,
    time: 0,
    rows: new Map(),
    last: null,
    best: null,
  };
}

/** Takes in one event; kinds it does not know change nothing. */
export function foldTerminal(state: TerminalState, event: RunEvent): void {
  state.time = event.time;
  switch (event.kind) {
    case "run-started":
      // Rows are read: on a cluster processes take a while to come.
      state.phase = "starting";
      state.strategy = event.strategy;
      state.workers = event.workers;
      break;
    case "loading":
      state.phase = "loading";
      state.loading = event;
      break;
    case "progress":
      enterTraining(state);
      state.rows.set(event.rank, event.rows);
      break;
    case "evaluated":
      enterTraining(state);
      state.last = event;
      if (event.best) state.best = event;
      break;
    case "run-finished":
      state.phase = "done";
      break;
    default:
  }
}

/** The lines to redraw, none longer than the terminal is wide. */
export function liveLines(state: TerminalState, columns: number): string[] {
  const lines = phaseLines(state).filter((line) => line !== "");
  return lines.map((line) => cutLine(line, columns));
}

/** One line for the log of a run that nobody watches, or null for an event that is not worth one. */
export function plainLine(event: RunEvent, verbose = false): string | null {
  switch (event.kind) {
    case "run-started": {
      const workers = `${event.workers} ${event.workers === 1 ? "worker" : "workers"}`;
      return `strategy ${event.strategy}, engine ${event.engine}, ${workers} (${event.workersReason})`;
    }
    case "loading":
      if (!event.done) return null;
      return `read ${formatCount(event.rows)} ${event.rows === 1 ? "row" : "rows"}, ${cacheText(event)}${formatSize(event.bytes)}, in ${formatSeconds(event.time)}`;
    case "calibrated":
      return `${event.setting} ${typeof event.value === "number" ? formatNumber(event.value) : event.value}: ${event.reason} (${formatSeconds(event.seconds)})`;
    case "evaluated":
      return evaluatedLine(event);
    case "fault":
      return `${event.rank === null ? "" : `rank ${event.rank}: `}${event.message}: ${event.action}`;
    case "stopped":
      return `stopped: ${event.detail}`;
    default:
      return verbose ? verboseLine(event) : null;
  }
}

function cacheText({ cacheAgeSeconds: age, cache }: Loading): string {
  return age === undefined ? "" : `from cache, ${formatAge(age)} old (${cache}), `;
}

function verboseLine(event: RunEvent): string | null {
  switch (event.kind) {
    case "resumed":
      return `resumed after ${formatCount(event.rows)} rows`;
    case "checkpoint":
      return `checkpoint ${event.path}`;
    case "view":
      return `view ${event.id}: ${event.members.length} members`;
    case "progress":
      return `rank ${event.rank}: ${formatCount(event.rows)} rows`;
    case "waiting":
      return `rank ${event.rank} waits for ${event.for}, until ${formatSeconds(event.until)} of the run at the latest`;
    default:
      return null;
  }
}

function enterTraining(state: TerminalState): void {
  if (state.phase === "training" || state.phase === "done") return;
  state.phase = "training";
  state.trainingSince = state.time;
}

function phaseLines(state: TerminalState): string[] {
  if (state.phase === "starting") return [`starting ${state.strategy}`.trimEnd()];
  if (state.phase === "loading") return [loadingLine(state)];
  const last = state.last === null ? "" : evaluatedLine(state.last);
  return [trainingLine(state), last, bestLine(state)];
}

function loadingLine({ loading: { rows, bytes, bytesTotal }, time }: TerminalState): string {
  const share =
    bytesTotal === null || bytesTotal === 0 ? "" : `${formatPercent(bytes / bytesTotal)}, `;
  return `reading ${share}${formatSize(bytes)}, ${formatCount(rows)} rows, ${formatSeconds(time)}`;
}

function trainingLine(state: TerminalState): string {
  const learned = [...state.rows.values()].reduce((total, rows) => total + rows, 0);
  const rows = Math.max(learned, state.last?.rows ?? 0);
  const seconds = state.time - state.trainingSince;
  const rate = seconds > 0.2 ? `, ${formatRate(rows / seconds)} rows/s` : "";
  const workers = state.workers > 1 ? `, ${state.workers} workers` : "";
  return `training ${state.strategy}${workers}: ${formatCount(rows)} rows${rate}, ${formatSeconds(state.time)}`;
}

function evaluatedLine({ epoch, loss, accuracy, objective, trainSeconds }: Evaluated): string {
  const parts = [
    `epoch ${formatCount(epoch)}`,
    loss === null ? "" : `validation loss ${loss.toPrecision(5)}`,
    accuracy === null ? "" : `accuracy ${formatPercent(accuracy)}`,
    objective === null ? "" : `objective ${objective.toPrecision(6)}`,
    formatSeconds(trainSeconds),
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function bestLine({ best, last }: TerminalState): string {
  if (best === null || best === last || best.loss === null) return "";
  return `best so far: epoch ${formatCount(best.epoch)}, validation loss ${best.loss.toPrecision(5)}`;
}

function cutLine(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}
