/** What happens to processes of a chaos run, each as an action on a crew. */
import { around, between, towards } from "./network.mjs";

/** Longer than the silence after which the others go on without a member. */
const longPauseMs = 4000;
const shortPauseMs = 600;
const slowMs = 1500;

/**
 * By name: what is done; whether members may decide to go on without the one that is hurt; whether what it had
 * sent, when it ended, is known to nobody; and how many are hurt, where it is not one. What is `torn` is at random
 * either refused or held back in silence.
 */
export const harms = {
  kill: {
    run: (crew, { ranks }) => crew.signal(ranks[0], "SIGKILL"),
    removes: true,
    silences: true,
  },
  leave: { run: (crew, { ranks }) => crew.signal(ranks[0], "SIGTERM"), removes: true },
  replace: { run: replace, removes: true },
  pause: { run: (crew, { ranks }) => pause(crew, ranks[0], shortPauseMs) },
  sleep: { run: (crew, { ranks }) => pause(crew, ranks[0], longPauseMs), removes: true },
  stop: {
    run: (crew, { ranks }) => crew.signal(ranks[0], "SIGSTOP"),
    removes: true,
    silences: true,
  },
  rejoin: { run: rejoin, removes: true, silences: true },
  cut: { run: cut },
  slow: { run: (crew, { ranks }) => tear(crew, around(ranks), { delayMs: 40 }, slowMs) },
  "one-way": {
    run: (crew, { ranks }) => tear(crew, towards(ranks[0]), { refuse: true }),
    removes: true,
  },
  server: {
    run: (crew, { ranks }) => crew.signal(ranks[0], "SIGKILL"),
    removes: true,
    silences: true,
  },
  coordinator: { run: (crew, { backMs }) => crew.replaceCoordinator(backMs) },
  partition: {
    run: (crew, { ranks, silent }) => tear(crew, around(ranks), { [fateOf(silent)]: true }),
    removes: true,
    torn: true,
  },
  halves: {
    run: (crew, { ranks, silent }) => tear(crew, around(ranks), { [fateOf(silent)]: true }),
    removes: true,
    torn: true,
    size: 2,
  },
  link: {
    run: (crew, { ranks, silent }) => tear(crew, between(...ranks), { [fateOf(silent)]: true }),
    removes: true,
    torn: true,
    size: 2,
  },
};

const fateOf = (silent) => (silent ? "hold" : "refuse");

async function pause(crew, rank, ms) {
  crew.signal(rank, "SIGSTOP");
  await crew.lapse(ms);
  crew.signal(rank, "SIGCONT");
}

/** Killed, and soon there is a new process that wants the seat. */
async function rejoin(crew, { ranks: [rank] }) {
  crew.signal(rank, "SIGKILL");
  await crew.lapse(300);
  await crew.start(rank);
}

/** Leaves in good order, and then there is a new process for the seat. */
async function replace(crew, { ranks: [rank] }) {
  const member = crew.newest(rank);
  crew.signal(rank, "SIGTERM");
  await member.ended;
  await crew.start(rank);
}

/** Connections of the member break, some times in a row; they can be made again at once. */
async function cut(crew, { ranks }) {
  for (let k = 0; k < 3; k++) {
    await tear(crew, around(ranks), { refuse: true }, 0);
    await crew.lapse(150);
  }
}

/** Between those it is so for a while, and then all is well again. */
async function tear(crew, holds, fate, ms = longPauseMs) {
  const heal = crew.network.tear(holds, fate);
  if (ms > 0) await crew.lapse(ms);
  heal();
}
