/**
 * The trace of a simulation: one line an event, readable as prose and the same byte for byte for a seed.
 *
 *     0.002120  worker 1  learned 4 rows -> push to server 2 (clock 1, rows 4, delta[8])
 */
import type { Effect, NodeEvent, Report, SeatPlan, View } from "../../strategies/strategy.ts";
import type { Watch } from "./simulator.ts";

/** A watcher that writes one line for every event. */
export function createTrace(write: (line: string) => void, seats: readonly SeatPlan[]): Watch {
  const name = (rank: number) => `${seats[rank]?.role ?? "member"} ${rank}`;
  return (now, rank, event, effects) => {
    const told = effects.map((effect) => effectText(effect, name)).join("; ");
    const time = now.toFixed(6).padStart(11);
    write(`${time}  ${name(rank)}  ${eventText(event, name)}${told === "" ? "" : ` -> ${told}`}`);
  };
}

type Name = (rank: number) => string;

function eventText(event: NodeEvent<unknown>, name: Name): string {
  switch (event.kind) {
    case "learned":
      return `learned ${event.update.rows} rows`;
    case "predicted":
      return `predicted ${event.rows} rows`;
    case "message":
      return `from ${name(event.from)}: ${bodyText(event.body)}`;
    case "exhausted":
      return "has no more rows";
    case "view":
      return viewText(event.view);
    case "leave":
      return "is asked to leave";
    default:
      return event.kind;
  }
}

function effectText(effect: Effect<unknown>, name: Name): string {
  switch (effect.kind) {
    case "learn":
      return "learn";
    case "send":
      return `to ${name(effect.to)}: ${bodyText(effect.body)}`;
    case "wake":
      return `wake in ${effect.after.toFixed(6)}`;
    case "report":
      return reportText(effect.report, name);
    case "drop":
      return `drop (${effect.reason})`;
    default:
      return effect.kind;
  }
}

function reportText(report: Report, name: Name): string {
  switch (report.kind) {
    case "applied":
      return `applied update ${report.clock} of ${name(report.from)}, ${report.staleness} stale`;
    case "waited":
      return `${name(report.rank)} waited ${report.seconds.toFixed(6)} for ${name(report.waitedFor)}`;
    case "lost":
      return `${report.updates} updates of ${name(report.from)} lost`;
    case "undone":
      return `took update ${report.clock} of ${name(report.from)} back`;
    case "settled":
      return `${name(report.rank)} settled an exchange with ${name(report.member)}, drift ${report.drift.toFixed(6)}`;
    default:
      return `credit ${report.credit} for ${name(report.rank)}`;
  }
}

function viewText({ id, members, left }: View): string {
  const lives = members.map(({ rank, incarnation }) => `${rank}.${incarnation}`).join(" ");
  const gone = left.length === 0 ? "" : `, left ${left.map(({ rank }) => rank).join(" ")}`;
  return `view ${id} of ${lives}${gone}`;
}

/** A body's kind and fields; arrays by their length. */
function bodyText(body: unknown): string {
  const { kind, ...fields } = body as Record<string, unknown>;
  const told = Object.entries(fields).map(([name, field]) => `${name}${fieldText(field)}`);
  return told.length === 0 ? String(kind) : `${String(kind)} (${told.join(", ")})`;
}

function fieldText(field: unknown): string {
  if (ArrayBuffer.isView(field)) return `[${(field as Float32Array).length}]`;
  if (typeof field === "object" && field !== null && "index" in field) {
    return `[${(field.index as Uint32Array).length} of many]`;
  }
  return ` ${String(field)}`;
}
