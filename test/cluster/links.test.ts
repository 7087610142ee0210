/** Links between processes, as two of them in this one. */
import { afterEach, expect, test } from "vitest";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import { createGuard } from "../../src/engines/cluster/guard.ts";
import { Links, type LinksEvents } from "../../src/engines/cluster/links.ts";
import { limitDefaults } from "../../src/engines/cluster/protection.ts";
import { type ClusterHandlers, ClusterServer } from "../../src/engines/cluster/server.ts";
import { until } from "./support-runs.ts";

const open: { server: ClusterServer; links: Links }[] = [];

afterEach(async () => {
  for (const { server, links } of open.splice(0)) {
    await links[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  }
});

/** A process of that rank that remembers what it heard. */
async function processOf(rank: number) {
  const heard: string[] = [];
  const broken: string[] = [];
  let links: Links | null = null;
  const handlers: Pick<ClusterHandlers, "exchange"> = { exchange: (call) => links!.accept(call) };
  const server = await ClusterServer.listen({
    listen: "127.0.0.1:0",
    guard: createGuard(noCredentials, limitDefaults, () => {}),
    handlers: handlers as ClusterHandlers,
  });
  const nothing = () => {};
  const events: LinksEvents = {
    frame: (from, bytes) => void heard.push(`${from}: ${new TextDecoder().decode(bytes)}`),
    ...{ room: nothing, connected: nothing, overrun: nothing },
    broken: (_, reason) => void broken.push(reason),
    ...{ violated: nothing, fenced: nothing, renewed: nothing },
    welcomes: () => true,
    needs: () => true,
  };
  const address = `127.0.0.1:${server.port}`;
  const identity = { run: "r", credentials: noCredentials, rank, incarnation: 1, address };
  links = new Links({ ...identity, bufferedMax: 1e6, proof: null }, events);
  open.push({ server, links });
  const say = (to: number, text: string) => links.send(to, new TextEncoder().encode(text));
  return { links, heard, broken, say, peer: { rank, incarnation: 1, address } };
}

test("what is sent over a link that the other side has given up comes by the next one", async () => {
  const [staying, expelled] = [await processOf(0), await processOf(1)];
  for (const [one, other] of [
    [staying, expelled],
    [expelled, staying],
  ] as const) {
    one.links.admit(other.peer);
  }
  expelled.say(0, "before");
  await until(
    () => staying.heard.length > 0,
    () => "nothing came",
  );
  // Expelled, and in the next view again before it hears that its link was given up.
  staying.links.drop(1);
  expelled.say(0, "in the next view");
  staying.links.admit(expelled.peer);
  staying.say(1, "welcome");
  await until(
    () => staying.heard.length > 1 && expelled.heard.length > 0,
    () => `heard ${staying.heard} and ${expelled.heard}`,
  );
  expect(staying.heard.slice(1)).toContain("1: in the next view");
  expect(expelled.heard).toEqual(["0: welcome"]);
});

test("two that have dropped their links to each other, and hear of each other by a view only, find each other", async () => {
  const [one, other] = [await processOf(2), await processOf(3)];
  one.links.admit(other.peer);
  other.links.admit(one.peer);
  one.say(3, "before");
  await until(
    () => other.heard.length > 0,
    () => "nothing came",
  );
  // Both were expelled, each saw a view without the other, and the next one has both.
  one.links.drop(3);
  other.links.drop(2);
  one.links.admit({ ...other.peer, address: null });
  other.links.admit({ ...one.peer, address: null });
  one.say(3, "subscribe");
  other.say(2, "welcome");
  await until(
    () => other.heard.length > 1 && one.heard.length > 0,
    () => `heard ${one.heard} and ${other.heard}`,
  );
  expect([one.heard, other.heard.slice(1)]).toEqual([["3: welcome"], ["2: subscribe"]]);
});

test("who was dropped is met again by what is said to it, as when a newcomer asks to join", async () => {
  const [one, other] = [await processOf(2), await processOf(3)];
  one.links.admit(other.peer);
  one.links.drop(3);
  one.say(3, "join");
  await until(
    () => other.heard.length > 0,
    () => "nothing came",
  );
  expect(other.heard).toEqual(["2: join"]);
});

test("who leaves waits for what it had said, not for its beats, which go on", async () => {
  const [leaver, busy] = [await processOf(2), await processOf(3)];
  leaver.links.admit(busy.peer);
  leaver.say(3, "last words");
  // As fast as can be, in place of somebody who acknowledges slowly: there is no moment without one on its way.
  let beats = setImmediate(function beat() {
    leaver.say(3, "beat");
    beats = setImmediate(beat);
  });
  const settleMs = 120_000;
  const at = performance.now();
  await leaver.links.settle(settleMs, () => true);
  clearImmediate(beats);
  // It did not give up: it heard, however long that took.
  expect(performance.now() - at).toBeLessThan(settleMs);
  expect(busy.heard[0]).toBe("2: last words");
});

test("what was said is heard over the link that took the place of another, too", async () => {
  const [leaver, staying] = [await processOf(2), await processOf(3)];
  leaver.links.admit(staying.peer);
  leaver.say(3, "before");
  await leaver.links.settle(120_000, () => true);
  staying.links.drop(2);
  leaver.say(3, "last words");
  await leaver.links.settle(120_000, () => true);
  expect(staying.heard).toContain("2: last words");
});

test("a peer that these credentials may not call is a broken link with its reason, told once, and no uncaught error", async () => {
  const { links, broken, say } = await processOf(0);
  // An address for documentation: nobody is there.
  links.admit({ rank: 1, incarnation: 1, address: "192.0.2.1:7650" });
  say(1, "hello");
  const words = () => broken.join();
  await until(() => broken.length > 0, words);
  expect(words()).toMatch(/^Cannot call 192\.0\.2\.1:7650 without TLS certificates/);
});
