/** What happens to members of a chaos run, each as an action on a crew. */
import { setTimeout as delay } from "node:timers/promises";

/** Longer than the silence after which the others go on without a member. */
const longPauseMs = 4000;
const shortPauseMs = 600;

/** By name: what is done, and whether the member's own count may end up short of what it sent. */
export const harms = {
  kill: { run: (crew, rank) => signal(crew, rank, "SIGKILL"), ends: true },
  leave: { run: (crew, rank) => signal(crew, rank, "SIGTERM"), ends: true },
  pause: { run: (crew, rank) => pause(crew, rank, shortPauseMs), ends: false },
  sleep: { run: (crew, rank) => pause(crew, rank, longPauseMs), ends: true },
  stop: { run: (crew, rank) => signal(crew, rank, "SIGSTOP"), ends: true },
  rejoin: { run: rejoin, ends: true },
  cut: { run: (crew, rank) => cut(crew, rank), ends: false },
  slow: { run: (crew, rank) => slow(crew, rank), ends: false },
  partition: { run: partition, ends: true },
};

function signal(crew, rank, name) {
  const { child } = crew.newest(rank);
  if (child.exitCode === null && child.signalCode === null) child.kill(name);
}

async function pause(crew, rank, ms) {
  signal(crew, rank, "SIGSTOP");
  await delay(ms);
  signal(crew, rank, "SIGCONT");
}

/** Killed, and soon there is a new process that wants the seat. */
async function rejoin(crew, rank) {
  signal(crew, rank, "SIGKILL");
  await delay(300);
  await crew.start(rank);
}

/** Connections to the member break, some times in a row; it can be reached again at once. */
async function cut(crew, rank) {
  for (let k = 0; k < 3; k++) {
    crew.newest(rank).proxy.cut();
    await delay(150);
  }
}

async function slow(crew, rank) {
  const { proxy } = crew.newest(rank);
  proxy.shape({ toTarget: { delayMs: 40 }, toClient: { delayMs: 40 } });
  await delay(1500);
  proxy.shape({ toTarget: { delayMs: 0 }, toClient: { delayMs: 0 } });
}

/** Nobody reaches it for long; then everybody can again. */
async function partition(crew, rank) {
  const { proxy } = crew.newest(rank);
  proxy.refuse();
  await delay(longPauseMs);
  proxy.heal();
}
