/**
 * The queue of a simulation: a binary heap over typed arrays, ordered by time and then by the order of
 * insertion, so that equal times never depend on the heap's shape. An entry's content lives in a slot.
 */

/** A heap of (time, order, slot). */
export interface EventQueue {
  time: Float64Array;
  order: Float64Array;
  slot: Int32Array;
  size: number;
  /** Entries ever inserted. */
  inserted: number;
}

/** An empty queue. */
export function createQueue(capacity = 1024): EventQueue {
  return {
    time: new Float64Array(capacity),
    order: new Float64Array(capacity),
    slot: new Int32Array(capacity),
    size: 0,
    inserted: 0,
  };
}

/** Inserts a slot at a time. */
export function insert(queue: EventQueue, time: number, slot: number): void {
  if (queue.size === queue.slot.length) grow(queue);
  const { time: times, order: orders, slot: slots } = queue;
  const order = queue.inserted++;
  let at = queue.size++;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (times[parent]! <= time) break;
    times[at] = times[parent]!;
    orders[at] = orders[parent]!;
    slots[at] = slots[parent]!;
    at = parent;
  }
  times[at] = time;
  orders[at] = order;
  slots[at] = slot;
}

/** Time of the earliest entry; Infinity when there is none. */
export function earliest(queue: EventQueue): number {
  return queue.size === 0 ? Number.POSITIVE_INFINITY : queue.time[0]!;
}

/** Removes the earliest entry and returns its slot; the queue must not be empty. */
export function removeEarliest(queue: EventQueue): number {
  const { time, order, slot } = queue;
  const first = slot[0]!;
  const size = --queue.size;
  const lastTime = time[size]!;
  const lastOrder = order[size]!;
  const lastSlot = slot[size]!;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    const right = child + 1;
    if (right < size && isBefore(time, order, right, child)) child = right;
    if (time[child]! > lastTime || (time[child] === lastTime && order[child]! > lastOrder)) break;
    time[at] = time[child]!;
    order[at] = order[child]!;
    slot[at] = slot[child]!;
    at = child;
  }
  time[at] = lastTime;
  order[at] = lastOrder;
  slot[at] = lastSlot;
  return first;
}

function isBefore(time: Float64Array, order: Float64Array, a: number, b: number): boolean {
  return time[a]! < time[b]! || (time[a] === time[b] && order[a]! < order[b]!);
}

function grow(queue: EventQueue): void {
  const capacity = 2 * queue.slot.length;
  const time = new Float64Array(capacity);
  const order = new Float64Array(capacity);
  const slot = new Int32Array(capacity);
  time.set(queue.time);
  order.set(queue.order);
  slot.set(queue.slot);
  Object.assign(queue, { time, order, slot });
}
