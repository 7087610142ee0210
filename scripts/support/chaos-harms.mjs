/** What happens to processes of a chaos run, each as an action on a crew. */
import { setTimeout as delay } from "node:timers/promises";

/** Longer than the silence after which the others go on without a member. */
const longPauseMs = 4000;
const shortPauseMs = 600;

/**
 * By name: what is done; whether members may decide to go on without the one that is hurt; and whether
 * what it had sent, when it ended, is known to nobody.
 */
export const harms = {
  kill: { run: (crew, { rank }) => crew.signal(rank, "SIGKILL"), removes: true, silences: true },
  leave: { run: (crew, { rank }) => crew.signal(rank, "SIGTERM"), removes: true },
  replace: { run: replace, removes: true },
  pause: { run: (crew, { rank }) => pause(crew, rank, shortPauseMs) },
  sleep: { run: (crew, { rank }) => pause(crew, rank, longPauseMs), removes: true },
  stop: { run: (crew, { rank }) => crew.signal(rank, "SIGSTOP"), removes: true, silences: true },
  rejoin: { run: rejoin, removes: true, silences: true },
  cut: { run: cut },
  slow: { run: slow },
  partition: { run: partition, removes: true },
  server: { run: (crew, { rank }) => crew.signal(rank, "SIGKILL"), removes: true, silences: true },
  coordinator: { run: (crew, { backMs }) => crew.replaceCoordinator(backMs) },
};

async function pause(crew, rank, ms) {
  crew.signal(rank, "SIGSTOP");
  await delay(ms);
  crew.signal(rank, "SIGCONT");
}

/** Killed, and soon there is a new process that wants the seat. */
async function rejoin(crew, { rank }) {
  crew.signal(rank, "SIGKILL");
  await delay(300);
  await crew.start(rank);
}

/** Leaves in good order, and then there is a new process for the seat. */
async function replace(crew, { rank }) {
  const member = crew.newest(rank);
  crew.signal(rank, "SIGTERM");
  await member.ended;
  await crew.start(rank);
}

/** Connections to the member break, some times in a row; it can be reached again at once. */
async function cut(crew, { rank }) {
  for (let k = 0; k < 3; k++) {
    crew.newest(rank).proxy.cut();
    await delay(150);
  }
}

async function slow(crew, { rank }) {
  const { proxy } = crew.newest(rank);
  proxy.shape({ toTarget: { delayMs: 40 }, toClient: { delayMs: 40 } });
  await delay(1500);
  proxy.shape({ toTarget: { delayMs: 0 }, toClient: { delayMs: 0 } });
}

/** Nobody reaches it for long; then everybody can again. */
async function partition(crew, { rank }) {
  const { proxy } = crew.newest(rank);
  proxy.refuse();
  await delay(longPauseMs);
  proxy.heal();
}
