/**
 * What waits in a simulation's queue, in columns: one slot an entry, used again once it is released, so
 * that a million events a second make no garbage of their own.
 */

/** Columns of waiting entries. */
export interface Slots {
  kind: Uint8Array;
  member: Int32Array;
  from: Int32Array;
  sentAt: Float64Array;
  /** The life of the member, and of the sender, when this was put in. */
  life: Int32Array;
  fromLife: Int32Array;
  content: unknown[];
  free: number[];
}

/** What happens when an entry's time has come. */
export const slotKind = {
  start: 0,
  learned: 1,
  exhausted: 2,
  message: 3,
  wake: 4,
  predicted: 5,
  fault: 6,
  leave: 7,
} as const;

/** What is put into a slot. */
export interface SlotEntry {
  readonly kind: number;
  readonly member: number;
  readonly from?: number;
  readonly content?: unknown;
  readonly life?: number;
  readonly fromLife?: number;
  readonly sentAt?: number;
}

/** Room for a thousand entries; grows. */
export function createSlots(): Slots {
  return {
    kind: new Uint8Array(1024),
    member: new Int32Array(1024),
    from: new Int32Array(1024),
    sentAt: new Float64Array(1024),
    life: new Int32Array(1024),
    fromLife: new Int32Array(1024),
    content: new Array(1024).fill(null),
    free: Array.from({ length: 1024 }, (_, i) => 1023 - i),
  };
}

function growSlots(slots: Slots): void {
  const before = slots.kind.length;
  const grown = <A extends Uint8Array | Int32Array | Float64Array>(next: A, old: A): A => {
    next.set(old);
    return next;
  };
  slots.kind = grown(new Uint8Array(2 * before), slots.kind);
  slots.member = grown(new Int32Array(2 * before), slots.member);
  slots.from = grown(new Int32Array(2 * before), slots.from);
  slots.sentAt = grown(new Float64Array(2 * before), slots.sentAt);
  slots.life = grown(new Int32Array(2 * before), slots.life);
  slots.fromLife = grown(new Int32Array(2 * before), slots.fromLife);
  for (let slot = 2 * before - 1; slot >= before; slot--) {
    slots.content[slot] = null;
    slots.free.push(slot);
  }
}

/** Puts an entry into a free slot; returns the slot. */
export function takeSlot(slots: Slots, entry: SlotEntry, now: number): number {
  if (slots.free.length === 0) growSlots(slots);
  const slot = slots.free.pop()!;
  slots.kind[slot] = entry.kind;
  slots.member[slot] = entry.member;
  slots.from[slot] = entry.from ?? -1;
  slots.sentAt[slot] = entry.sentAt ?? now;
  slots.life[slot] = entry.life ?? 1;
  slots.fromLife[slot] = entry.fromLife ?? 1;
  slots.content[slot] = entry.content ?? null;
  return slot;
}

/** Frees a slot; returns its content. */
export function releaseSlot(slots: Slots, slot: number): unknown {
  const content = slots.content[slot];
  slots.content[slot] = null;
  slots.free.push(slot);
  return content;
}
