/** A thread that answers every message of its mailbox; the other end of the round trips in strategies.mjs. */
import { parentPort, workerData } from "node:worker_threads";
import {
  post,
  receive,
  release,
  signalOf,
  sleep,
  viewMailbox,
  wake,
} from "../../dist/engines/threads/mailbox.js";

const { shared, shape, rounds, leads, bytes } = workerData;
const rank = leads ? 0 : 1;
const own = viewMailbox(shared, shape, { rank });
const other = viewMailbox(shared, shape, { rank: 1 - rank });
const body = { kind: "echo", values: new Float32Array(bytes / 4) };
const times = new Float64Array(rounds);

for (let round = 0; round < rounds; round++) {
  const began = performance.now();
  if (leads) send();
  take(own);
  if (!leads) send();
  times[round] = performance.now() - began;
}
parentPort.postMessage(leads ? times : null);

function send() {
  post(other, rank, body);
  wake(other);
}

function take(box) {
  for (;;) {
    const seen = signalOf(box);
    if (receive(box) !== null) {
      release(box);
      return;
    }
    sleep(box, seen);
  }
}
