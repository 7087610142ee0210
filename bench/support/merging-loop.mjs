/**
 * Rounds of merging in one plain loop: what bsp and allreduce come to, without members, messages and
 * replicas, so that a study of thousands of runs is cheap. A worker learns on the one model itself and puts
 * back what it changed; test/merging.test.ts proves that the bits are the simulator's.
 */
import { randomStream, shuffle } from "../../dist/math/random.js";

const { fround } = Math;

/** Slopes of the losses by margin and label (model/losses.ts). */
const slopes = {
  hinge: (p, y) => (y * p < 1 ? -y : 0),
  log(p, y) {
    const m = y * p;
    if (m <= 0) return -y / (1 + Math.exp(m));
    const e = Math.exp(-m);
    return (-y * e) / (1 + e);
  },
};

const values = {
  hinge: (p, y) => Math.max(0, 1 - y * p),
  log: (p, y) => (y * p > 0 ? Math.log1p(Math.exp(-y * p)) : Math.log1p(Math.exp(y * p)) - y * p),
};

/** Share of those rows that have each feature. */
export function sharesOf({ rowStart, index, width }, rowIds) {
  const counts = new Float64Array(width);
  for (const row of rowIds) {
    for (let k = rowStart[row]; k < rowStart[row + 1]; k++) counts[index[k]]++;
  }
  return counts.map((count) => count / rowIds.length);
}

/** Rows of every worker: its share of one shuffled order (learner/linear-task.ts). */
function dealRows(rowIds, { workers, seed }) {
  const order = Uint32Array.from({ length: rowIds.length }, (_, row) => row);
  shuffle(order, randomStream({ seed, purpose: "rows-of-workers" }));
  return Array.from({ length: workers }, (_, rank) =>
    order
      .slice(
        Math.floor((rank * rowIds.length) / workers),
        Math.floor(((rank + 1) * rowIds.length) / workers),
      )
      .map((row) => rowIds[row]),
  );
}

/**
 * Learns and returns the model { v, rows }, w = t0/(t0 + rows) * v.
 *
 * `rule` says how concurrent updates merge: `sigma(c, n)`: own steps count that often, where c rows of an update
 * have the coordinate; `stride(n)`: how far T advances a row of one's own; `mean`, `meanFirst` (in the first round only);
 * `momentum` and `outer` of the merged update. `expected`: rows of an update by which sigma is taken, where that is not
 * what an update has.
 */
export function learnRounds(data, problem, run) {
  const { workers, rowsPerUpdate, epochs, seed, rule, rowIds, expected = rowsPerUpdate } = run;
  const { width } = data;
  const own = dealRows(rowIds, { workers, seed });
  const rounds = Math.ceil(Math.ceil(rowIds.length / workers) / rowsPerUpdate);
  const sigma = sigmaOf(rule, problem.shares, { workers, expected, width });
  const stride = rule.stride(workers, sigma, problem.shares);
  const model = { v: new Float32Array(width), rows: 0 };
  const room = createRoom(width);
  const merging = createMerging(rule, { width, workers });
  for (let epoch = 0; epoch < epochs; epoch++) {
    const orders = own.map((rows, rank) =>
      shuffle(rows.slice(), randomStream({ seed, purpose: "epoch", rank, epoch })),
    );
    for (let round = 0; round < rounds; round++) {
      room.length = 0;
      room.ends.length = 0;
      const counts = orders.map((order) => {
        const from = Math.floor((round * order.length) / rounds);
        const to = Math.floor(((round + 1) * order.length) / rounds);
        learnUpdate(data, problem, model, { rows: order, from, to, stride, sigma }, room);
        room.ends.push(room.length);
        return to - from;
      });
      merging(model, room, counts);
    }
  }
  return model;
}

function sigmaOf({ sigma }, shares, { workers, expected, width }) {
  if (!sigma) return null;
  const of = new Float32Array(width);
  for (let j = 0; j < width; j++) of[j] = sigma(expected * shares[j], workers);
  return of;
}

function createRoom(width) {
  return {
    run: 0,
    touchedBy: new Uint32Array(width),
    before: new Float32Array(width),
    index: new Uint32Array(1 << 16),
    value: new Float32Array(1 << 16),
    length: 0,
    ends: [],
  };
}

function grow(room) {
  for (const name of ["index", "value"]) {
    const larger = new room[name].constructor(2 * room[name].length);
    larger.set(room[name]);
    room[name] = larger;
  }
}

/** One worker's update, appended to the room; the model is as it was afterwards. */
function learnUpdate(data, problem, model, { rows, from, to, stride, sigma }, room) {
  const { rowStart, index, value, label } = data;
  const { t0, l2, loss } = problem;
  const slopeOf = slopes[loss];
  const step = 1 / (l2 * t0);
  const { v } = model;
  const { touchedBy, before } = room;
  const run = ++room.run;
  const first = room.length;
  let count = first;
  for (let i = from; i < to; i++) {
    const row = rows[i];
    const start = rowStart[row];
    const end = rowStart[row + 1];
    if (count + end - start > room.index.length) grow(room);
    let sum = 0;
    for (let k = start; k < end; k++) sum += v[index[k]] * value[k];
    const y = label[row];
    const slope = slopeOf((t0 / (t0 + (model.rows + (i - from) * stride))) * sum, y);
    if (slope === 0) continue;
    const factor = -slope * step;
    const touched = room.index;
    for (let k = start; k < end; k++) {
      const j = index[k];
      if (touchedBy[j] !== run) {
        touchedBy[j] = run;
        before[j] = v[j];
        touched[count++] = j;
      }
      v[j] += sigma === null ? factor * value[k] : factor * value[k] * sigma[j];
    }
  }
  for (let k = first; k < count; k++) {
    const j = room.index[k];
    const change = fround(v[j] - before[j]);
    room.value[k] = sigma === null ? change : change / sigma[j];
    v[j] = before[j];
  }
  room.length = count;
}

function createMerging(rule, { width, workers }) {
  const { momentum = 0, outer = 1 } = rule;
  const plain = momentum === 0 && outer === 1;
  const velocity = plain ? null : new Float32Array(width);
  let round = 0;
  return (model, room, counts) => {
    const mean = rule.mean || (rule.meanFirst && round === 0);
    round++;
    const total = counts.reduce((a, b) => a + b, 0);
    const target = plain ? model.v : velocity;
    if (!plain) for (let j = 0; j < width; j++) velocity[j] *= momentum;
    let at = 0;
    for (let rank = 0; rank < workers; rank++) {
      const weight = fround(mean ? counts[rank] / total : 1);
      for (; at < room.ends[rank]; at++) target[room.index[at]] += fround(weight * room.value[at]);
      model.rows += (rule.mean ? counts[rank] / total : 1) * counts[rank];
    }
    if (plain) return;
    for (let j = 0; j < width; j++) model.v[j] += outer * velocity[j];
  };
}

/** (1/n) sum loss + l2/2 ||w||^2 over those rows. */
export function objectiveOf({ rowStart, index, value, label }, { loss, l2, t0 }, model, rowIds) {
  const { v } = model;
  const scale = t0 / (t0 + model.rows);
  const lossOf = values[loss];
  let total = 0;
  for (const row of rowIds) {
    let sum = 0;
    for (let k = rowStart[row]; k < rowStart[row + 1]; k++) sum += v[index[k]] * value[k];
    total += lossOf(scale * sum, label[row]);
  }
  let squares = 0;
  for (let j = 0; j < v.length; j++) squares += v[j] * v[j];
  return total / rowIds.length + (l2 / 2) * scale * scale * squares;
}
