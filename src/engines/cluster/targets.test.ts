import { expect, test } from "vitest";
import { noCredentials, tokenForAll } from "./credentials.ts";
import { findRun } from "./find.ts";
import { createGuard } from "./guard.ts";
import { limitDefaults } from "./protection.ts";
import { Refusal } from "./refusal.ts";
import { ClusterServer } from "./server.ts";
import { readTargets, resolveTargets } from "./targets.ts";

const credentials = { ...noCredentials, insecure: true, tokens: tokenForAll("word") };
const wrong = { ...noCredentials, insecure: true, tokens: tokenForAll("wrong") };

const log = () => {};

/** A process that says it is this, at any address of the loopback. */
function serve(role: string, listen = "0.0.0.0:0"): Promise<ClusterServer> {
  const no = (): never => {
    throw new Refusal("not here");
  };
  return ClusterServer.listen({
    ...{ listen, guard: createGuard(credentials, limitDefaults, () => {}) },
    handlers: {
      ...{ join: async () => no(), rows: no, snapshot: async () => no(), stop: async () => no() },
      ...{ status: () => ({ role }), exchange: no },
    },
  });
}

test("all addresses of a name are meant after dns:, and names are looked up at each attempt", async () => {
  let asked = 0;
  const look = async () => {
    asked++;
    return [
      { address: "10.0.0.1", family: 4 },
      { address: "fd00::1", family: 6 },
    ];
  };
  const { addresses } = await resolveTargets("dns:run:7650,other:1", look);
  expect(addresses).toEqual(["10.0.0.1:7650", "[fd00::1]:7650", "other:1"]);
  await resolveTargets("dns:run:7650", look);
  expect(asked).toBe(2);
});

test("what is no place is refused with the form that is expected", () => {
  for (const wrong of ["host", "host:", "host:0", "host:99999", "dns:host", "a:1,,b:2", ""]) {
    expect(() => readTargets(wrong), wrong).toThrow(/must be HOST:PORT or dns:NAME:PORT/);
  }
});

test("the coordinator is found behind a name that other members share and that is not known at first", async () => {
  await using coordinator = await serve("coordinator", "127.0.0.1:0");
  await using _worker = await serve("worker", `127.0.0.2:${coordinator.port}`);
  let attempts = 0;
  const lookup = async () => {
    attempts++;
    if (attempts === 1) throw new Error("not known yet");
    // At the second attempt only another member is there, and an address where nobody is.
    const hosts =
      attempts === 2 ? ["127.0.0.2", "127.0.0.3"] : ["127.0.0.3", "127.0.0.2", "127.0.0.1"];
    return hosts.map((address) => ({ address, family: 4 }));
  };
  const join = `dns:run:${coordinator.port}`;
  const found = await findRun({ join, credentials, log, lookup });
  expect(found).toBe(`127.0.0.1:${coordinator.port}`);
  expect(attempts).toBe(3);
});

test("a coordinator that says no is not asked again, and nobody at all is told with every reason", async () => {
  await using coordinator = await serve("coordinator", "127.0.0.1:0");
  const lookup = async () => [{ address: "127.0.0.1", family: 4 }];
  const join = `dns:run:${coordinator.port}`;
  await expect(findRun({ join, credentials: wrong, log, lookup })).rejects.toThrow(
    /not that of this run/,
  );
  const none = { join: "dns:run:1", credentials, log, lookup, secondsMax: 0 };
  await expect(findRun(none)).rejects.toThrow(
    /No coordinator answered at dns:run:1 .*127\.0\.0\.1:1/,
  );
});
