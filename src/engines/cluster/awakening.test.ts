import { once } from "node:events";
import { createServer } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { Awakening } from "./awakening.ts";
import { noCredentials } from "./credentials.ts";
import type * as TakeUp from "./take-up.ts";

/** Questions under way. */
const asked = vi.hoisted(() => new Set<Promise<unknown>>());

vi.mock("./take-up.ts", async (original) => {
  const { lifeAt, ...others } = await original<typeof TakeUp>();
  const noted: typeof lifeAt = (...given) => {
    const answer = lifeAt(...given);
    asked.add(answer);
    return answer.finally(() => asked.delete(answer));
  };
  return { ...others, lifeAt: noted };
});

afterEach(() => void vi.restoreAllMocks());

/** HOST:PORT where nobody listens: the system gives that port to nobody. */
const closedPlace = "127.0.0.1:1";

interface Case {
  readonly isApart: boolean;
  readonly hasFinished?: boolean;
  readonly place?: string;
  /** Of the first second, in which it did not run or learned. */
  readonly firstSeconds?: number;
  readonly longestUpdate?: number;
}

/** What came of looking: what was said at the end, when the run was known to go on or not, what was logged. */
interface Found {
  readonly said: string | null;
  readonly knownAfter: number;
  readonly logged: readonly string[];
}

/** Looks each second of a clock of its own, for so many after the first look. */
async function lookFor(seconds: number, of: Case): Promise<Found> {
  const { isApart, hasFinished = false, firstSeconds = 1, longestUpdate = 0 } = of;
  const place = of.place ?? closedPlace;
  const said: string[] = [];
  const logged: string[] = [];
  let knownAfter = 0;
  const awakening = new Awakening({
    credentials: noCredentials,
    log: (line) => logged.push(line),
    run: () => "run",
    addresses: () => [place],
    absentSeconds: () => 1,
    isApart: () => isApart,
    hasFinished: () => hasFinished,
    longestUpdate: () => longestUpdate,
    over: (message) => said.push(message),
  });
  const start = performance.now();
  const clock = vi.spyOn(performance, "now");
  clock.mockReturnValue(start);
  awakening.begin();
  for (let k = 0; k <= seconds; k++) {
    clock.mockReturnValue(start + 1000 * (firstSeconds + k));
    if (awakening.look()) knownAfter = k + 1;
    // Answers take their time, of the real clock, and come before the next look.
    await Promise.all(asked);
    await nextTurn();
  }
  return { said: said[0] ?? null, knownAfter, logged };
}

test("a member that was cut off ends once nobody has listened where the others were for 15 s", async () => {
  expect((await lookFor(10, { isApart: true })).said).toBeNull();
  expect((await lookFor(60, { isApart: true })).said).toMatch(
    /^this process was cut off, and the run ended meanwhile/,
  );
});

test("one that hears of a quorum does not ask", async () => {
  expect((await lookFor(60, { isApart: false })).said).toBeNull();
});

test("one that slept and is cut off ends as soon as nobody listens where the others were", async () => {
  const { said } = await lookFor(5, { isApart: true, firstSeconds: 40 });
  expect(said).toMatch(/^this process did not run for 40.0 s, and the run ended meanwhile/);
  expect(said).toContain("may be in no model");
});

for (const [words, of] of [
  ["is its own quorum", { isApart: false }],
  ["has finished", { isApart: true, hasFinished: true }],
] as const) {
  test(`one that slept and ${words} goes on, so that its model is saved`, async () => {
    const { said, knownAfter } = await lookFor(60, { ...of, firstSeconds: 40 });
    expect(said).toBeNull();
    expect(knownAfter).toBeLessThanOrEqual(12);
  });
}

test("where the others only do not answer, who slept goes on by the rules of one without coordinator after 10 s", async () => {
  // Takes connections, and never says a word.
  const server = createServer(() => {}).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const place = `127.0.0.1:${port}`;
  const { said, knownAfter } = await lookFor(16, { isApart: true, firstSeconds: 40, place });
  server.close();
  expect(said).toBeNull();
  expect(knownAfter).toBeGreaterThan(8);
  expect(knownAfter).toBeLessThanOrEqual(12);
});

test("a long update is no sleep", async () => {
  const busy = { isApart: false, firstSeconds: 3, longestUpdate: 3 };
  expect(await lookFor(5, busy)).toMatchObject({ said: null, knownAfter: 0, logged: [] });
  const { logged } = await lookFor(5, { ...busy, firstSeconds: 13 });
  expect(logged).toEqual(["did not run for 13.0 s"]);
});
