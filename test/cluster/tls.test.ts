/** Real connections, with right and wrong certificates, and new ones while a run goes on. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect, type PeerCertificate } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { renewCluster } from "../../src/deploy/authority.ts";
import { launchLocal } from "../../src/deploy/local.ts";
import { checkIdentity, WatchedCertificates } from "../../src/engines/cluster/certificates.ts";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import {
  type Credentials,
  environmentFor,
  noCredentials,
  tokenForAll,
} from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import { Cluster } from "../../src/engines/cluster/generated/glissade/cluster/v1/cluster_pb.ts";
import { createGuard } from "../../src/engines/cluster/guard.ts";
import { limitDefaults } from "../../src/engines/cluster/protection.ts";
import { Refusal } from "../../src/engines/cluster/refusal.ts";
import { callUnary } from "../../src/engines/cluster/rpc.ts";
import { ClusterServer } from "../../src/engines/cluster/server.ts";
import { strategyOptions } from "../../src/strategies/strategy.ts";
import { root } from "../tidy/sources.ts";
import {
  clientOf,
  credentialsIn,
  forgedFolder,
  otherAuthority,
  secretsFolder,
} from "./support-security.ts";

const no = (): never => {
  throw new Refusal("not here");
};

async function serve(credentials: Credentials, events: ClusterEvent[] = []) {
  const server = await ClusterServer.listen({
    listen: "127.0.0.1:0",
    guard: createGuard(credentials, limitDefaults, (event) => events.push(event)),
    handlers: {
      ...{ join: async () => no(), rows: no, snapshot: async () => no(), stop: async () => no() },
      ...{ status: () => ({ role: "coordinator" }), exchange: no },
    },
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return `127.0.0.1:${server.port}`;
}

const status = { method: Cluster.method.status, request: {}, secondsMax: 3 };

test("members with certificates of one authority and the right token meet; all others do not", async () => {
  const folder = await secretsFolder();
  const events: ClusterEvent[] = [];
  const address = await serve(credentialsIn(join(folder, "admin")), events);
  const ask = (credentials: Credentials) => callUnary(clientOf(address, credentials), status);
  expect((await ask(credentialsIn(join(folder, "work")))).role).toBe("coordinator");
  expect((await ask(credentialsIn(join(folder, "observe")))).role).toBe("coordinator");

  const work = credentialsIn(join(folder, "work"));
  const wrongToken = { ...work, tokens: tokenForAll("x".repeat(24)) };
  await expect(ask(wrongToken)).rejects.toThrow(/the token is not that of this run/);
  await expect(ask({ ...work, tokens: {} })).rejects.toThrow(/wants a token/);
  expect(events.filter(({ kind }) => kind === "denied")).toHaveLength(2);

  const plain = { ...noCredentials, tokens: work.tokens };
  await expect(ask(plain)).rejects.toThrow(/Status at 127/);

  const token = readFileSync(join(folder, "work/token"), "utf8");
  const trust = readFileSync(join(folder, "work/ca.pem"), "utf8");
  const other = { authority: await otherAuthority(), role: "work", token } as const;
  // Its authority is another, whichever of the two it trusts.
  await expect(ask(credentialsIn(await forgedFolder(other)))).rejects.toThrow(/Status at 127/);
  const impostor = await forgedFolder({ ...other, trust });
  await expect(ask(credentialsIn(impostor))).rejects.toThrow(/Status at 127/);
});

test("no caller gets further than the handshake without a certificate, and none is shown plain text", async () => {
  const folder = await secretsFolder();
  const address = await serve(credentialsIn(join(folder, "admin")));
  const port = Number(address.split(":")[1]);
  const ca = readFileSync(join(folder, "work/ca.pem"));
  const ended = await new Promise<string>((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", ca, ALPNProtocols: ["h2"], servername: "x" });
    socket.on("error", (error) => resolve(error.message));
    socket.on("close", () => resolve("closed"));
    socket.on("data", (data) => resolve(`said ${data.length} bytes`));
  });
  expect(ended).not.toMatch(/said/);
});

/** Long enough to be used once on a machine that others load. */
const lifeMs = 15_000;

test("an expired certificate is refused by whoever holds it, and by everybody else", async () => {
  const folder = await secretsFolder();
  const address = await serve(credentialsIn(join(folder, "admin")));
  const authority = await otherAuthority();
  const expired = { notBefore: new Date(Date.now() - 2e9), notAfter: new Date(Date.now() - 1e9) };
  const forged = await forgedFolder({ authority, role: "work", token: "x".repeat(20) }, expired);
  expect(() => credentialsIn(forged)).toThrow(/cert\.pem expired on .*glissade cluster renew/);
  // One that expires while it is used is refused by the others.
  const soon = { notBefore: new Date(Date.now() - 2e9), notAfter: new Date(Date.now() + lifeMs) };
  const shortLived = await forgedFolder({ authority, role: "work", token: "t".repeat(20) }, soon);
  const own = credentialsIn(shortLived);
  const other = await serve(own);
  expect((await callUnary(clientOf(other, own), status)).role).toBe("coordinator");
  await delay(soon.notAfter.getTime() + 1500 - Date.now());
  await expect(callUnary(clientOf(other, own), status)).rejects.toThrow(/Status at 127/);
  expect(address).not.toBe(other);
});

test("a host's own certificate must be of the name that was dialled", () => {
  const named = (subjectaltname: string) => ({ subjectaltname }) as PeerCertificate;
  expect(checkIdentity("a.example", named("DNS:a.example"))).toBeUndefined();
  expect(checkIdentity("b.example", named("DNS:a.example"))).toBeInstanceOf(Error);
  expect(checkIdentity("10.0.0.5", named("IP Address:10.0.0.5"))).toBeUndefined();
  expect(checkIdentity("10.0.0.6", named("IP Address:10.0.0.5"))).toBeInstanceOf(Error);
  expect(checkIdentity("10.0.0.6", named("DNS:member.glissade.internal"))).toBeUndefined();
});

test("files in the middle of a change are passed over until they belong together", async () => {
  const folder = await secretsFolder();
  const own = join(folder, "work");
  const file = (name: string) => join(own, name);
  const files = { ca: file("ca.pem"), certificate: file("cert.pem"), key: file("key.pem") };
  using watched = WatchedCertificates.open(files);
  const old = { key: readFileSync(files.key), certificate: readFileSync(files.certificate) };
  await renewCluster(folder);
  const renewed = readFileSync(files.certificate);
  writeFileSync(files.certificate, old.certificate);
  expect(watched.reread()).toBe(false);
  writeFileSync(files.certificate, "half a certifi");
  expect(watched.reread()).toBe(false);
  writeFileSync(files.certificate, renewed);
  expect(watched.reread()).toBe(true);
  copyFileSync(join(folder, "observe/key.pem"), files.key);
  expect(watched.reread()).toBe(false);
  expect(watched.changes).toBe(1);
});

test("certificates change while a run goes on: it goes on, and new connections see the new ones", async () => {
  const folder = await secretsFolder();
  const credentials = credentialsIn(join(folder, "admin"));
  const local = launchLocal({ program: join(root, "dist/cli/main.js"), logs: null });
  let address = "";
  const seen: string[] = [];
  const onEvent = (event: ClusterEvent) => {
    if (event.kind === "listening") address = event.address;
    if (event.kind === "view" && event.id === 1) changed = change();
  };
  const change = async () => {
    seen.push(await serialAt(address, folder));
    await renewCluster(folder);
    while (credentials.certificates!.changes === 0) await delay(50);
    seen.push(await serialAt(address, folder));
    const client = clientOf(address, credentialsIn(join(folder, "observe")));
    expect((await callUnary(client, status)).state).toBe("running");
    stop.abort();
  };
  let changed: Promise<void> = Promise.resolve();
  const stop = new AbortController();
  const result = await runCluster({
    ...{ strategy: { name: "asp" }, workers: 2, seed: 5, epochs: 1000 },
    options: strategyOptions({ rowsPerUpdate: 1 }),
    task: { kind: "ledger", spec: { workers: 2, rowsPerWorker: 100_000 } },
    signal: stop.signal,
    cluster: {
      ...{ listen: "127.0.0.1:0", credentials, launch: local, onEvent },
      environment: environmentFor(credentials),
    },
  });
  await changed;
  expect(new Set(seen).size).toBe(2);
  expect(result.telemetry.members[0]!.updates).toBeGreaterThan(0);
});

/** Serial number of the certificate that a new connection is shown. */
function serialAt(address: string, folder: string): Promise<string> {
  const [host, port] = address.split(":");
  const read = (name: string) => readFileSync(join(folder, "work", name));
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        ...{ host: host!, port: Number(port), ALPNProtocols: ["h2"] },
        ...{ ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") },
        servername: "member.glissade.internal",
      },
      () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      },
    );
    socket.on("error", reject);
  });
}
