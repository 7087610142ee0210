/** What members tell the coordinator, checked before it is believed: kinds, counts, lengths of texts. */
import { readFrame } from "../../wire/frame.ts";
import type { Tale } from "./job.ts";
import { membersMax } from "./limits.ts";

/** Texts of members end up in events and errors: what is longer is no reason. */
const textLengthMax = 4096;
const noteBytesMax = 2 ** 20;

type Kind =
  | "count"
  | "count-or-null"
  | "whole"
  | "seconds"
  | "text"
  | "wait"
  | "view"
  | "flag"
  | "view-or-null"
  | "counts";

/** Fields of each kind of tale. */
const shapes: Readonly<Record<Tale["kind"], Readonly<Record<string, Kind>>>> = {
  ready: { updates: "count-or-null" },
  here: {
    ...{ updates: "count-or-null", state: "text", leaving: "flag", view: "view-or-null" },
    ...{ lease: "seconds", counts: "counts" },
  },
  progress: {
    ...{ updates: "count", rows: "count", bytes: "count", messages: "count" },
    ...{ lost: "count", longestUpdate: "seconds", wait: "wait" },
  },
  lease: { rows: "count", left: "whole" },
  held: { taken: "count" },
  view: { view: "view" },
  reject: { rank: "count", incarnation: "count", reason: "text" },
  leaving: {},
  finished: {},
  failed: { message: "text" },
};

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads a tale, or says why it is none; fields that no tale has are left out. */
export function readTale(bytes: Uint8Array): { tale: Tale } | { fault: string } {
  if (bytes.byteLength > noteBytesMax) return { fault: `a note of ${bytes.byteLength} bytes` };
  const read = readFrame(bytes);
  if ("fault" in read) return { fault: `a note that is none: ${read.fault}` };
  const { json } = read.body;
  if (!(json instanceof Uint8Array)) return { fault: "a note without JSON" };
  let note: unknown;
  try {
    note = JSON.parse(decoder.decode(json));
  } catch {
    return { fault: "a note whose JSON is none" };
  }
  return checked(note);
}

function checked(note: unknown): { tale: Tale } | { fault: string } {
  const given = (typeof note === "object" && note !== null ? note : {}) as Record<string, unknown>;
  const { kind } = given;
  if (typeof kind !== "string" || !Object.hasOwn(shapes, kind)) {
    return { fault: "a note of no kind that members send" };
  }
  const tale: Record<string, unknown> = { kind };
  for (const [name, type] of Object.entries(shapes[kind as Tale["kind"]])) {
    if (!fits(given[name], type)) return { fault: `a note ${kind} whose ${name} is no ${type}` };
    tale[name] = given[name];
  }
  return { tale: tale as Tale };
}

function fits(value: unknown, kind: Kind): boolean {
  switch (kind) {
    case "count":
      return Number.isSafeInteger(value) && (value as number) >= 0;
    case "whole":
      return Number.isSafeInteger(value);
    case "count-or-null":
      return value === null || fits(value, "count");
    case "seconds":
      return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
    case "text":
      return typeof value === "string" && value.length <= textLengthMax;
    case "wait":
      return value === null || isWait(value);
    case "view":
      return isView(value);
    case "view-or-null":
      return value === null || isView(value);
    case "flag":
      return typeof value === "boolean";
    case "counts":
      return Object.entries(shapes.progress).every(([name, type]) =>
        fits((value as Record<string, unknown> | null)?.[name], type),
      );
    default:
      return kind satisfies never;
  }
}

function isWait(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { whom, since, until } = value as Record<string, unknown>;
  const isTime = (time: unknown) => time === null || typeof time === "number";
  return fits(whom, "text") && isTime(since) && isTime(until);
}

function isView(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { id, members, left } = value as Record<string, unknown>;
  const areLives = (lives: unknown) =>
    Array.isArray(lives) && lives.length <= membersMax && lives.every(isLife);
  return fits(id, "count") && areLives(members) && (left === undefined || areLives(left));
}

function isLife(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { rank, incarnation, role } = value as Record<string, unknown>;
  return fits(rank, "count") && fits(incarnation, "count") && fits(role, "text");
}
