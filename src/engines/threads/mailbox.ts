/**
 * A mailbox: a bounded queue of frames in shared memory, many senders, one reader.
 *
 * Words (i32): the reader sleeps on `signal` (a thread that reads several mailboxes, on that of one of them); `lock` guards the reservation of room only, frames are copied
 * outside of it. A slot's `state` becomes ready when its frame is complete, so frames are read in the order
 * in which room was reserved. Positions count units of 8 bytes and wrap around at 2^32; a frame never
 * wraps: what is left at the end of the ring is skipped.
 *
 * Nobody waits busily and no sender blocks: a full mailbox refuses, the sender leaves its rank in `wanted`
 * and is woken when there is room.
 *
 * Invariant: every frame accepted is read exactly once, and frames of one sender in the order it sent them.
 */
import { frameBytes, writeFrame } from "../../wire/frame.ts";

const word = {
  signal: 0,
  lock: 1,
  slotTail: 2,
  slotHead: 3,
  unitTail: 4,
  unitHead: 5,
  anyWanted: 6,
  wanted: 16,
} as const;
/** Words of a slot: state, from, start unit, units, end position. */
const slotWords = 5;
const slotsMax = 1024;

/** How big a mailbox is. */
export interface MailboxShape {
  readonly members: number;
  /** Bytes that frames may take together; at least one frame of any size must fit. */
  readonly bytesMax: number;
}

/** Views over a mailbox's shared memory. */
export interface Mailbox {
  readonly words: Int32Array;
  /** The words whose `signal` the reader sleeps on: those of one of the mailboxes that its thread reads. */
  readonly bell: Int32Array;
  readonly slots: Int32Array;
  readonly bytes: Uint8Array;
  readonly units: number;
}

/** Bytes of shared memory that a mailbox takes. */
export function mailboxBytes({ members, bytesMax }: MailboxShape): number {
  return headerBytes(members) + 4 * slotWords * slotsMax + ringBytes(bytesMax);
}

/**
 * Views mailbox `rank` of a row of them in a shared buffer, whose reader sleeps at mailbox `bell`; zeroed memory is
 * a row of empty mailboxes.
 */
export function viewMailbox(
  buffer: SharedArrayBuffer,
  shape: MailboxShape,
  { rank, bell = rank }: { rank: number; bell?: number },
): Mailbox {
  const header = headerBytes(shape.members);
  const offset = rank * mailboxBytes(shape);
  const slotsAt = offset + header;
  const bytesAt = slotsAt + 4 * slotWords * slotsMax;
  return {
    words: new Int32Array(buffer, offset, header / 4),
    bell: new Int32Array(buffer, bell * mailboxBytes(shape), header / 4),
    slots: new Int32Array(buffer, slotsAt, slotWords * slotsMax),
    bytes: new Uint8Array(buffer, bytesAt, ringBytes(shape.bytesMax)),
    units: ringBytes(shape.bytesMax) / 8,
  };
}

function headerBytes(members: number): number {
  return pad(4 * (word.wanted + members));
}

/**
 * Puts a message in, for the sender to `wake` the reader when it has put in all it has; false when there is no
 * room now, and the sender is then woken when there is.
 */
export function post(mailbox: Mailbox, from: number, body: object): boolean {
  const length = frameBytes(body);
  const units = length / 8;
  if (units > mailbox.units) {
    throw new RangeError(
      `Cannot send message as a mailbox holds ${mailbox.units * 8} bytes: current value is ${length} bytes`,
    );
  }
  const slot = reserve(mailbox, from, units);
  if (slot < 0) return false;
  const start = mailbox.slots[slot + 2]!;
  writeFrame(body, mailbox.bytes.subarray(8 * start, 8 * (start + units)));
  Atomics.store(mailbox.slots, slot, 1);
  return true;
}

/** Wakes the reader: there is something to read, or room to write. */
export function wake({ bell }: Mailbox): void {
  Atomics.add(bell, word.signal, 1);
  Atomics.notify(bell, word.signal);
}

/** Reserves a slot and room; -1 when there is none, after leaving the sender's rank. */
function reserve(mailbox: Mailbox, from: number, units: number): number {
  const { words } = mailbox;
  lock(words);
  let slot = tryReserve(mailbox, from, units);
  if (slot < 0) {
    Atomics.store(words, word.wanted + from, 1);
    Atomics.store(words, word.anyWanted, 1);
    // The reader may have made room before it could see who wants some.
    slot = tryReserve(mailbox, from, units);
    if (slot >= 0) Atomics.store(words, word.wanted + from, 0);
  }
  unlock(words);
  return slot;
}

function tryReserve({ words, slots, units: all }: Mailbox, from: number, units: number): number {
  const tail = Atomics.load(words, word.slotTail);
  if (((tail - Atomics.load(words, word.slotHead)) | 0) >= slotsMax) return -1;
  const position = Atomics.load(words, word.unitTail) >>> 0;
  const used = (position - Atomics.load(words, word.unitHead)) >>> 0;
  const start = position % all;
  const skipped = start + units > all ? all - start : 0;
  if (used + skipped + units > all) return -1;
  const slot = slotWords * (tail & (slotsMax - 1));
  slots[slot + 1] = from;
  slots[slot + 2] = (start + skipped) % all;
  slots[slot + 3] = units;
  slots[slot + 4] = position + skipped + units;
  Atomics.store(words, word.unitTail, (position + skipped + units) | 0);
  Atomics.store(words, word.slotTail, (tail + 1) | 0);
  return slot;
}

/** A frame as it lies in the mailbox; valid until `release`. */
export interface Received {
  readonly from: number;
  readonly bytes: Uint8Array;
}

/** The next frame, or null; the reader must `release` it before it asks for another. */
export function receive({ words, slots, bytes }: Mailbox): Received | null {
  const slot = slotWords * (Atomics.load(words, word.slotHead) & (slotsMax - 1));
  if (Atomics.load(slots, slot) !== 1) return null;
  const start = slots[slot + 2]!;
  const units = slots[slot + 3]!;
  return { from: slots[slot + 1]!, bytes: bytes.subarray(8 * start, 8 * (start + units)) };
}

/** Gives the room of the frame just read back; returns the ranks that were refused and want some. */
export function release({ words, slots }: Mailbox): number[] {
  const head = Atomics.load(words, word.slotHead);
  const slot = slotWords * (head & (slotsMax - 1));
  const end = slots[slot + 4]!;
  Atomics.store(slots, slot, 0);
  Atomics.store(words, word.unitHead, end);
  Atomics.store(words, word.slotHead, (head + 1) | 0);
  if (Atomics.exchange(words, word.anyWanted, 0) === 0) return [];
  const ranks: number[] = [];
  for (let rank = 0; rank < words.length - word.wanted; rank++) {
    if (Atomics.exchange(words, word.wanted + rank, 0) === 1) ranks.push(rank);
  }
  return ranks;
}

/** How often the reader was woken; what `sleep` compares with. */
export function signalOf({ bell }: Mailbox): number {
  return Atomics.load(bell, word.signal);
}

/** Sleeps until the mailbox is woken after `seen` was read, or the time is over. */
export function sleep({ bell }: Mailbox, seen: number, milliseconds = Infinity): void {
  Atomics.wait(bell, word.signal, seen, milliseconds);
}

/** A lock of three states: free, held, held and wanted (Drepper, "Futexes are tricky", mutex 2). */
function lock(words: Int32Array): void {
  if (Atomics.compareExchange(words, word.lock, 0, 1) === 0) return;
  while (Atomics.exchange(words, word.lock, 2) !== 0) Atomics.wait(words, word.lock, 2);
}

function unlock(words: Int32Array): void {
  if (Atomics.exchange(words, word.lock, 0) === 2) Atomics.notify(words, word.lock, 1);
}

/** A power of two, so that positions stay in step with the ring when they wrap around. */
function ringBytes(bytesMax: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1024, bytesMax)));
}

function pad(length: number): number {
  return Math.ceil(length / 8) * 8;
}
