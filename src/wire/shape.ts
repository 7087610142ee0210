/**
 * Shapes of messages: what a strategy says of each kind of message it sends, as data, so that one function can tell
 * whether some member of the run may have sent a message, before any strategy sees it. A message that has its shape
 * leads to no exception and out of no array, whatever its values are.
 *
 * Invariant: every message that members send has its shape.
 */
import type { FrameBody, FrameField } from "./frame.ts";
import { deltaFault, implausibleField, type Plausible } from "./inspect.ts";

/** What two members' places say of the messages between them. */
export interface MessageBounds extends Plausible {
  /** Seats by rank, and how many they are; workers that the run began with. */
  readonly seats: readonly { readonly role: "worker" | "server" }[];
  readonly members: number;
  readonly workers: number;
  /** Length of the receiver's part of the model, and of the sender's. */
  readonly own: number;
  readonly theirs: number;
  readonly senderRole: "worker" | "server";
  readonly receiverRole: "worker" | "server";
  /** First and last life that the sender's process may have. */
  readonly lives: readonly [number, number];
  /** Most rows that one update may tell of, and that any model of the run can have learned. */
  readonly batchRowsMax: number;
  readonly modelRowsMax: number;
}

/** A length that follows from the run: of the whole model, the receiver's or the sender's part; or one for each seat, of those to come too. */
export type LengthShape = "whole" | "own" | "theirs" | "members" | "any";

/** What a field of a message may be. */
export type FieldShape =
  | { readonly type: "flag" }
  /** A whole number from `least` (0) on. */
  | { readonly type: "count"; readonly least?: number; readonly below?: "members" }
  /** A life of the sender's process. */
  | { readonly type: "life" }
  /** The sender's own role. */
  | { readonly type: "role" }
  | { readonly type: "word"; readonly of: readonly string[] }
  /** Any finite number from 0 on. */
  | { readonly type: "measure" }
  /** Rows of an update or a model; `signed` where two models are compared. */
  | { readonly type: "rows"; readonly of: "update" | "model"; readonly signed?: true }
  | { readonly type: "values"; readonly length: LengthShape; readonly orEmpty?: true }
  /** A change of v, dense or sparse; or `packed`, as bytes. */
  | { readonly type: "delta"; readonly length: LengthShape }
  | { readonly type: "packed"; readonly length: LengthShape }
  /** Numbers of 64 bits, none of them infinite. */
  | { readonly type: "times"; readonly length: LengthShape }
  | { readonly type: "bytes"; readonly length: LengthShape }
  /**
   * Records of whole numbers in a row, `each` so many; the first of each is a rank where `ranks`, the last a count of
   * updates of one or more rows where `clocks`.
   */
  | {
      readonly type: "records";
      readonly each: number;
      readonly ranks?: "members";
      readonly clocks?: true;
    }
  | { readonly type: "counts"; readonly length: LengthShape }
  /** Words that only their owner can read: its function says why they are none, or null. */
  | {
      readonly type: "words";
      readonly fault: (words: Uint32Array, bounds: MessageBounds) => string | null;
    }
  | { readonly type: "either"; readonly of: readonly FieldShape[] }
  | { readonly type: "nothing" };

/** What a kind of message is. */
export interface MessageShape {
  /** Who sends it; without it, anybody. */
  readonly from?: "worker" | "server";
  /** Who gets it. */
  readonly to?: "worker" | "server";
  readonly fields: Readonly<Record<string, FieldShape>>;
  /** It may have further fields, of which nothing is known. */
  readonly open?: true;
  /** What its fields must have in common: says why they have not, or null. Asked once each is what it should be. */
  readonly fault?: (body: FrameBody, bounds: MessageBounds) => string | null;
}

/** Shapes by kind; that of `anyKind` is for kinds that are not listed. */
export type MessageShapes = Readonly<Record<string, MessageShape>>;

export const anyKind = "*";

// Shapes that many messages share.
export const flag: FieldShape = { type: "flag" };
export const count: FieldShape = { type: "count" };
/** Counted from 1. */
export const ordinal: FieldShape = { type: "count", least: 1 };
export const modelRows: FieldShape = { type: "rows", of: "model" };
export const updateRows: FieldShape = { type: "rows", of: "update" };
export const orNothing = (shape: FieldShape): FieldShape => ({
  type: "either",
  of: [{ type: "nothing" }, shape],
});

/** Letters of a peer's text that a reason repeats. */
const shownLettersMax = 40;

/** Why no member of this run sends that message, in words; null when one may. */
export function messageFault(
  shapes: MessageShapes,
  body: FrameBody,
  bounds: MessageBounds,
): string | null {
  const kind = shownText(body.kind);
  const shape = shapeOf(shapes, body.kind);
  if (shape === undefined) return `${kind}: no message of this run is of that kind`;
  const { fields, from, to, open } = shape;
  if (from !== undefined && from !== bounds.senderRole) return `${kind}: comes from no ${from}`;
  if (to !== undefined && to !== bounds.receiverRole) return `${kind}: goes to no ${to}`;
  for (const name in fields) {
    if (!Object.hasOwn(body, name)) return `${kind}: ${name} is missing`;
  }
  for (const name in body) {
    if (name === "kind") continue;
    const field = body[name]!;
    const fault = Object.hasOwn(fields, name)
      ? fieldFault(fields[name]!, field, bounds)
      : open
        ? implausibleField(field, bounds)
        : "is no field of it";
    if (fault !== null) return `${kind}: ${shownText(name)} ${fault}`;
  }
  const fault = shape.fault?.(body, bounds) ?? null;
  return fault === null ? null : `${kind}: ${fault}`;
}

function shapeOf(shapes: MessageShapes, kind: string): MessageShape | undefined {
  return Object.hasOwn(shapes, kind) ? shapes[kind] : shapes[anyKind];
}

/** A text of a peer's, fit for a log. */
function shownText(text: string): string {
  if (/^[\w/-]{1,40}$/.test(text)) return text;
  return JSON.stringify(text.slice(0, shownLettersMax));
}

function fieldFault(shape: FieldShape, field: FrameField, bounds: MessageBounds): string | null {
  switch (shape.type) {
    case "flag":
      return typeof field === "boolean" ? null : "is no yes or no";
    case "nothing":
      return field === null ? null : "is something";
    case "word":
      return typeof field === "string" && shape.of.includes(field) ? null : "is no word of it";
    case "role":
      return field === bounds.senderRole ? null : `is not the sender's, ${bounds.senderRole}`;
    case "count":
    case "life":
    case "measure":
    case "rows":
      return typeof field === "number" ? numberFault(shape, field, bounds) : "is no number";
    case "words":
      return field instanceof Uint32Array ? shape.fault(field, bounds) : "are no words";
    case "either":
      return eitherFault(shape.of, field, bounds);
    default:
      return arrayFault(shape, field, bounds);
  }
}

/** The fault by the last of the forms, when it is none of them. */
function eitherFault(
  shapes: readonly FieldShape[],
  field: FrameField,
  bounds: MessageBounds,
): string | null {
  let fault: string | null = null;
  for (const shape of shapes) {
    fault = fieldFault(shape, field, bounds);
    if (fault === null) return null;
  }
  return fault;
}

type NumberShape = Extract<FieldShape, { type: "count" | "life" | "measure" | "rows" }>;

function numberFault(shape: NumberShape, value: number, bounds: MessageBounds): string | null {
  const [least, most] = rangeOf(shape, bounds);
  const whole = shape.type === "count" || shape.type === "life";
  if (whole && !Number.isSafeInteger(value)) return `is ${value}, which is no whole number`;
  // Of NaN neither holds.
  return value >= least && value <= most ? null : `is ${value}, not from ${least} to ${most}`;
}

function rangeOf(shape: NumberShape, bounds: MessageBounds): readonly [number, number] {
  switch (shape.type) {
    case "count":
      return [
        shape.least ?? 0,
        shape.below === undefined ? Number.MAX_SAFE_INTEGER : bounds[shape.below] - 1,
      ];
    case "life":
      return bounds.lives;
    case "measure":
      return [0, Number.MAX_SAFE_INTEGER];
    default: {
      const most = shape.of === "update" ? bounds.batchRowsMax : bounds.modelRowsMax;
      return [shape.signed ? -most : 0, most];
    }
  }
}

type ArrayShape = Extract<
  FieldShape,
  { type: "values" | "delta" | "packed" | "times" | "bytes" | "records" | "counts" }
>;

function arrayFault(shape: ArrayShape, field: FrameField, bounds: MessageBounds): string | null {
  switch (shape.type) {
    case "values":
      if (!(field instanceof Float32Array)) return "are no values";
      if (shape.orEmpty && field.length === 0) return null;
      return lengthFault(field, shape.length, bounds) ?? implausibleField(field, bounds);
    case "delta":
      if (field instanceof Float32Array) {
        return lengthFault(field, shape.length, bounds) ?? implausibleField(field, bounds);
      }
      return deltaFault(field, { ...bounds, width: lengthOf(shape.length, bounds) });
    case "packed":
      if (!(field instanceof Uint8Array)) return "is no packed delta";
      return deltaFault(field, { ...bounds, width: lengthOf(shape.length, bounds) });
    case "times":
      if (!(field instanceof Float64Array)) return "are no times";
      return lengthFault(field, shape.length, bounds) ?? timesFault(field);
    case "bytes":
      if (!(field instanceof Uint8Array)) return "are no bytes";
      return lengthFault(field, shape.length, bounds);
    case "counts":
      if (!(field instanceof Int32Array)) return "are no counts";
      return lengthFault(field, shape.length, bounds) ?? countsFault(field);
    default:
      return recordsFault(shape, field, bounds);
  }
}

function recordsFault(
  { each, ranks, clocks }: { each: number; ranks?: "members"; clocks?: true },
  field: FrameField,
  bounds: MessageBounds,
): string | null {
  if (!(field instanceof Uint32Array || field instanceof Int32Array)) return "are no records";
  if (field.length % each !== 0) return `has ${field.length} numbers, in records of ${each}`;
  if (field instanceof Int32Array) {
    const fault = countsFault(field);
    if (fault !== null) return fault;
  }
  const { modelRowsMax } = bounds;
  for (let k = 0; k < field.length; k += each) {
    if (ranks && field[k]! >= bounds[ranks])
      return `has rank ${field[k]} of ${bounds[ranks]} ${ranks}`;
    const last = field[k + each - 1]!;
    if (clocks && last > modelRowsMax) return `has ${last} updates, more than rows can be learned`;
  }
  return null;
}

function lengthFault(
  array: { readonly length: number },
  length: LengthShape,
  bounds: MessageBounds,
): string | null {
  if (length === "any") return null;
  const due = lengthOf(length, bounds);
  return array.length === due ? null : `has ${array.length} numbers where ${due} are due`;
}

function lengthOf(length: LengthShape, bounds: MessageBounds): number {
  switch (length) {
    case "whole":
    case "any":
      return bounds.width;
    default:
      return bounds[length];
  }
}

function countsFault(counts: Int32Array): string | null {
  for (let k = 0; k < counts.length; k++) if (counts[k]! < 0) return `has a count of ${counts[k]}`;
  return null;
}

function timesFault(times: Float64Array): string | null {
  for (let k = 0; k < times.length; k++) {
    if (!Number.isFinite(times[k])) return `has time ${times[k]}`;
  }
  return null;
}
