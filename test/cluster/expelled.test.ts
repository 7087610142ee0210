/**
 * Members that were given a seat and use it against the others, as processes of their own: each is expelled with a
 * reason, the run goes on with a sound model, and who speaks in another's name is not heard.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import { Cluster } from "../../src/engines/cluster/generated/glissade/cluster/v1/cluster_pb.ts";
import { modelIn } from "../../src/engines/cluster/models.ts";
import { callUnary, createClient } from "../../src/engines/cluster/rpc.ts";
import { cli } from "../e2e/support.ts";
import { root } from "../tidy/sources.ts";

const words = "observe: observe-0123456789,work: work-0123456789,admin: admin-0123456789";
const work = "work: work-0123456789";
const rows = "synthetic:news:rows=3000,columns=400,seed=5";
const folder = mkdtempSync(join(tmpdir(), "glissade-expelled-"));
const processes: ChildProcess[] = [];
const outputs = new Map<ChildProcess, string>();
let coordinator: ChildProcess;
let address = "";

function start(args: readonly string[], token: string): ChildProcess {
  const child = spawn(process.execPath, args, {
    ...{ cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
    env: { ...process.env, GLISSADE_TOKEN: token, VITEST: "" },
  });
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      outputs.set(child, `${outputs.get(child) ?? ""}${text}`);
    });
  }
  processes.push(child);
  return child;
}

const said = (child: ChildProcess) => outputs.get(child) ?? "";

async function until<Value>(
  look: () => Value | undefined | Promise<Value | undefined>,
): Promise<Value> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (coordinator.exitCode !== null) {
      throw new Error(`the coordinator ended: ${processes.map(said).join("\n---\n")}`);
    }
    await delay(50);
  }
}

async function status() {
  const client = createClient(address, {
    ...noCredentials,
    tokens: { observe: "observe-0123456789" },
  });
  try {
    return await callUnary(client, { method: Cluster.method.status, request: {}, secondsMax: 20 });
  } finally {
    client.close();
  }
}

/** The honest members, and what they have learned. */
async function honest() {
  const { members } = await status();
  return members.filter(({ rank }) => rank === 0 || rank === 2);
}

async function expectGoesOn(): Promise<void> {
  const before = await honest();
  await until(async () => {
    const now = await honest();
    return before.every(({ updates }, k) => now[k]!.updates > updates) ? true : undefined;
  });
}

/** All values of the honest members' models are numbers of a sensible size. */
async function expectSound(): Promise<void> {
  for (const { address: place } of await honest()) {
    const client = createClient(place, { ...noCredentials, tokens: { work: "work-0123456789" } });
    const request = { afterUpdates: 0n, withTelemetry: false };
    const reply = await callUnary(client, { method: Cluster.method.snapshot, request });
    client.close();
    const { values } = modelIn(reply.model)!;
    expect(values.every((value) => Math.abs(value) < 1e9)).toBe(true);
  }
}

/** Ends who has seat 1, and waits until the next to come gets it. */
async function freeSeat(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await until(async () => {
    const taken = (await status()).members.find(({ rank }) => rank === 1);
    return taken?.state === "silent" || taken?.state === "dead" ? true : undefined;
  });
}

function hostile(evil: string): ChildProcess {
  return start([join(root, "test/cluster/hostile-member.mjs"), address, evil], work);
}

beforeAll(async () => {
  coordinator = start(
    [
      ...[cli, "coordinator", rows, "--verbose", "--strategy", "peer-to-peer", "--workers", "3"],
      ...["--epochs", "1000000", "--l2", "1e-4", "--listen", "127.0.0.1:0"],
      ...["--evaluate-every", "100000epochs"],
    ],
    words,
  );
  address = await until(() => /--join (127\.0\.0\.1:\d+)/.exec(said(coordinator))?.[1]);
  for (const rank of [0, 2]) start([cli, "worker", "--join", address, "--rank", `${rank}`], work);
});

afterAll(() => {
  for (const child of processes) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

test("a member that speaks in the name of others, or of the coordinator, is not heard", async () => {
  const claimer = hostile("claim");
  await until(() => (/has claimed/.test(said(claimer)) ? true : undefined));
  expect(said(claimer)).not.toMatch(/was taken for/);
  const refusals = [...said(claimer).matchAll(/as member (-?\d) to \d: (\d+) (.*)/g)];
  expect(refusals).toHaveLength(2 * 2 * 4);
  for (const [, , code, why] of refusals) {
    expect([code, why]).toEqual([
      "7",
      expect.stringMatching(/no proof|pass is not|another stream/),
    ]);
  }
  await expectGoesOn();
  await freeSeat(claimer);
});

test("a member that signs passes while the coordinator is there is taken for nobody who has a seat, and by no member at all", async () => {
  const minter = hostile("mint");
  await until(() => (/has claimed/.test(said(minter)) ? true : undefined));
  const answers = [...said(minter).matchAll(/as member (-?\d) to (-?\d): (\d+) (.*)/g)];
  // In the place of the coordinator and of all seats, the free one too, to both others and to the coordinator.
  expect(answers).toHaveLength(5 * 3);
  for (const [, as, to, code, why] of answers) {
    // A free seat the coordinator would give anybody who asks with that token; what it says then is rejected.
    if (as === "3" && to === "-1") continue;
    expect([as, to, code]).toEqual([as, to, as === "-1" ? "7" : "14"]);
    expect(why).toMatch(/pass is not that of|not known to this process yet/);
  }
  await expectGoesOn();
  await freeSeat(minter);
});

test.each([
  ["nan", /update: delta has values that are no numbers/],
  ["absurd", /update: delta has norm/],
  ["index", /update: delta has index 2147483648/],
  ["field", /update: version is no number/],
  ["replay", /sends frame \d+ again after \d+/],
])(
  "a member that sends %s is expelled with the reason, and the others go on",
  async (evil, reason) => {
    const before = said(coordinator).length;
    const member = hostile(evil);
    await until(() => (reason.test(said(coordinator).slice(before)) ? true : undefined));
    expect(said(coordinator).slice(before)).toMatch(/worker 1 is not listened to any more/);
    await expectGoesOn();
    await expectSound();
    member.kill("SIGKILL");
  },
);
