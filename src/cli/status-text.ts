/** How a run goes, as text for terminals of any width and as one object. */
import type { MemberStatus, StatusReply, Wait } from "../engines/cluster/public.ts";
import { formatCount, formatSeconds } from "../report/format.ts";
import { jsonObject } from "./output.ts";
import { formatTable } from "./table.ts";
import { wrapLine } from "./wrap.ts";

/** Shorter waits are part of every exchange, once a run goes. */
const waitShownSeconds = 1;
/** A run with other rules than epochs has so many. */
const unlimitedEpochs = 1e6;

/** What is computed from what members tell. */
interface MemberFigures {
  readonly rowsPerSecond: number;
  /** Updates behind the worker that is furthest; null for members that make none. */
  readonly behind: number | null;
}

/** Lines of at most that many columns; members are a table where one fits. */
export function statusLines(status: StatusReply, columns: number): string[] {
  const { state, seconds, members, waits } = status;
  const figures = figuresOf(status);
  const total = figures.reduce((sum, { rowsPerSecond }) => sum + rowsPerSecond, 0);
  const cells = members.map((member, k) => cellsOf(member, figures[k]!, seconds));
  const table = formatTable(cells);
  const rows = table.every((line) => line.length <= columns)
    ? table
    : cells.flatMap((cell) => wrapLine(cell.filter((text) => text !== "").join(", "), columns));
  const long = waits.filter(
    (wait) => state !== "running" || seconds - wait.since >= waitShownSeconds,
  );
  const own = long.flatMap((wait) => wrapLine(describeWait(wait, seconds), columns));
  const seen =
    status.role === "coordinator" ? [] : members.flatMap((one) => wrapLine(seenLine(one), columns));
  return [...wrapLine(headOf(status, total), columns), ...rows, ...seen, ...own];
}

/** The run in a line; a member knows of itself only. */
function headOf(status: StatusReply, rowsPerSecond: number): string {
  const { role, state, view, seconds, members } = status;
  return [
    `${role}: ${state}`,
    `view ${view}`,
    ...progressOf(status),
    ...(role === "coordinator" ? [membersText(members)] : []),
    `${Math.round(rowsPerSecond)} rows/s`,
    timeText(seconds),
  ].join(", ");
}

function progressOf({ epoch, epochs, loss, bestLoss, lossOf }: StatusReply): string[] {
  if (!(epochs > 0)) return [];
  const all = epochs < unlimitedEpochs ? ` of ${formatCount(epochs)}` : "";
  const learned = `epoch ${formatCount(epoch)}${all}`;
  if (loss === undefined || bestLoss === undefined) return [learned];
  return [learned, `${lossOf} ${loss.toPrecision(5)} (best ${bestLoss.toPrecision(5)})`];
}

/** Who takes part; who is gone or silent is told apart. */
function membersText(members: readonly MemberStatus[]): string {
  const gone = ["silent", "left", "dead"].flatMap((state) => {
    const { length } = members.filter((member) => member.state === state);
    return length > 0 ? [{ state, length }] : [];
  });
  const there = members.length - gone.reduce((sum, { length }) => sum + length, 0);
  const others = gone.map(({ state, length }) => `${length} ${state}`).join(", ");
  return `${there} members${others && ` (and ${others})`}`;
}

function timeText(seconds: number): string {
  return seconds < 120 ? `${seconds.toFixed(1)} s` : formatSeconds(seconds);
}

/** One line of JSON: what the process says, and what follows from it. */
export function statusJson(status: StatusReply): string {
  const figures = figuresOf(status);
  const members = status.members.map((member, k) => ({ ...member, ...figures[k] }));
  return jsonObject("status", { ...status, members });
}

function figuresOf({ members, seconds }: StatusReply): MemberFigures[] {
  const workers = members.filter(({ role }) => role === "worker");
  const furthest = Math.max(0, ...workers.map(({ updates }) => Number(updates)));
  return members.map(({ role, rows, updates }) => ({
    rowsPerSecond: seconds > 0 ? Number(rows) / seconds : 0,
    behind: role === "worker" ? furthest - Number(updates) : null,
  }));
}

function cellsOf(
  member: MemberStatus,
  { rowsPerSecond, behind }: MemberFigures,
  seconds: number,
): string[] {
  const { role, rank, incarnation, state, updates, rows, wait } = member;
  const life = incarnation > 1 ? `, life ${incarnation}` : "";
  return [
    `${role} ${rank}${life}`,
    ...[state, `${updates} updates`, behind === null ? "" : `${behind} behind`],
    ...[`${rows} rows`, `${Math.round(rowsPerSecond)} rows/s`, placeOf(member)],
    wait && seconds - wait.since >= waitShownSeconds ? describeWait(wait, seconds) : "",
  ];
}

/** What one needs to know of a member that others don't reach. */
function seenLine({ seen, address }: MemberStatus): string {
  return `seen at ${seen}, reached at ${address}`;
}

/** Where it is seen from is said only where that is another host than the one where it is reached. */
function placeOf({ address, seen }: MemberStatus): string {
  return seen && hostOf(seen) !== hostOf(address) ? `${address}, seen at ${seen}` : address;
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}

/** `seconds`: the time of the run now. */
function describeWait({ whom, since, until }: Wait, seconds: number): string {
  const left = Math.max(0, until - seconds);
  return `waits ${timeText(seconds - since)} for ${whom}, ${timeText(left)} more at most`;
}
