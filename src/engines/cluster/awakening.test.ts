import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { Awakening } from "./awakening.ts";
import { noCredentials } from "./credentials.ts";

afterEach(() => void vi.restoreAllMocks());

/** HOST:PORT where nobody listens. */
async function closedPlace(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return `127.0.0.1:${port}`;
}

/** Looks each second of a clock of its own, for so many; what was said at the end, or null. */
async function lookFor(seconds: number, isApart: boolean): Promise<string | null> {
  const place = await closedPlace();
  const said: string[] = [];
  const awakening = new Awakening({
    credentials: noCredentials,
    log: () => {},
    run: () => "run",
    addresses: () => [place],
    absentSeconds: () => 1,
    isApart: () => isApart,
    over: (message) => said.push(message),
  });
  const start = performance.now();
  const clock = vi.spyOn(performance, "now");
  awakening.begin();
  for (let k = 0; k <= seconds; k++) {
    clock.mockReturnValue(start + 1000 * k);
    awakening.look();
    // An answer takes its time, of the real clock.
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  return said[0] ?? null;
}

test("a member that was cut off ends once nobody has listened where the others were for 15 s", async () => {
  expect(await lookFor(10, true)).toBeNull();
  expect(await lookFor(60, true)).toMatch(/^this process was cut off, and the run ended meanwhile/);
});

test("one that hears of a quorum does not ask", async () => {
  expect(await lookFor(60, false)).toBeNull();
});
