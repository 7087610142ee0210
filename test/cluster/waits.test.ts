/**
 * Every wait of the cluster has a bound and says for whom: all go through src/engines/cluster/wait.ts, but for
 * those in the table below, each with what ends it. A wait that is in neither place fails here.
 */
import { expect, test } from "vitest";
import * as limits from "../../src/engines/cluster/limits.ts";
import { limitDefaults } from "../../src/engines/cluster/protection.ts";
import { pause, waitFor, waitsNow } from "../../src/engines/cluster/wait.ts";
import { readSources } from "../tidy/sources.ts";

/** What waits, or makes others wait. */
const raw =
  /new Promise\b|\bPromise\.race\(|\bsetTimeout\(|\bsetInterval\(|\bawait once\(|\bonce\([^"]|timers\/promises|\bAtomics\.wait/;

interface KnownWait {
  readonly file: string;
  /** Part of its line. */
  readonly line: string;
  readonly whom: string;
  /** The limit that ends it; a name of limits.ts, of `--limits`, or of a constant in the same file. */
  readonly bound: string;
}

const known: readonly KnownWait[] = [
  {
    file: "certificates.ts",
    line: "setInterval(() => this.reread()",
    whom: "nobody: rereads files",
    bound: "rereadMs",
  },
  {
    file: "cluster.ts",
    line: "const late = setTimeout(",
    whom: "members to join",
    bound: "gatherSecondsMax",
  },
  // The run itself: every member's silence is bounded, and so is each call it waits in.
  {
    file: "coordinator.ts",
    line: "this.#finished = new Promise(",
    whom: "members to finish",
    bound: "silenceSecondsMin",
  },
  {
    file: "silence.ts",
    line: "this.#timer = setInterval(",
    whom: "nobody: looks for silence",
    bound: "silenceSecondsMin",
  },
  {
    file: "patience.ts",
    line: "const timer = setTimeout(() => {",
    whom: "a member to come back",
    bound: "reconnectSecondsMax",
  },
  {
    file: "server.ts",
    line: 'await once(server, "listening")',
    whom: "the system to bind a port",
    bound: "introduction",
  },
  {
    file: "entrance.ts",
    line: "return new Promise((resolve, reject)",
    whom: "the system to bind a port",
    bound: "introduction",
  },
  {
    file: "entrance.ts",
    line: "const timer = setTimeout(",
    whom: "a stranger to show a token",
    bound: "introduction",
  },
  {
    file: "link.ts",
    line: "this.#deaf ??= setTimeout(",
    whom: "the other side to say anything",
    bound: "deafSecondsMax",
  },
  {
    file: "link.ts",
    line: "this.#timer ??= setTimeout(",
    whom: "nobody: acknowledges",
    bound: "acknowledgeMsMax",
  },
  {
    file: "link.ts",
    line: "this.#deaf ??= setTimeout(",
    whom: "a peer to acknowledge anything",
    bound: "deafSecondsMax",
  },
  {
    file: "links.ts",
    line: "peer.retry = setTimeout(",
    whom: "a member that is dialled again",
    bound: "reconnectMsMax",
  },
  {
    file: "member-rows.ts",
    line: "this.#timer = setTimeout(",
    whom: "rows that are asked for again",
    bound: "rowsSecondsMax",
  },
  {
    file: "member.ts",
    line: "this.#ended = new Promise(",
    whom: "its part to end",
    bound: "leaseSeconds",
  },
  {
    file: "member.ts",
    line: "this.#silence = setInterval(",
    whom: "nobody: tells how far it is",
    bound: "progressMsMax",
  },
  // A strategy's own clock: what it waits for is told by the member's status.
  {
    file: "timers.ts",
    line: "const timer = setTimeout(() => {",
    whom: "the time a strategy asked for",
    bound: "coordinatorSecondsMax",
  },
  {
    file: "snapshot-shelf.ts",
    line: "return new Promise((resolve) => {",
    whom: "an update of its own",
    bound: "snapshotSecondsMax",
  },
  { file: "member-process.ts", line: "timers/promises", whom: "(import)", bound: "endSecondsMax" },
  {
    file: "member-process.ts",
    line: "const ended = new Promise<void>",
    whom: "a process to end",
    bound: "endSecondsMax",
  },
  {
    file: "member-process.ts",
    line: "await Promise.race([once(",
    whom: "the last lines of a process",
    bound: "lastLinesMsMax",
  },
  {
    file: "member-process.ts",
    line: "await Promise.race([ended, setTimeout(",
    whom: "processes to end",
    bound: "endSecondsMax",
  },
];

const sources = readSources([".ts"]).filter(
  ({ path }) =>
    /^src\/(?:engines\/cluster|deploy)\//.test(path) &&
    !/\.test\.ts$|\/generated\/|\/wait\.ts$/.test(path),
);

/** Lines with a wait that does not go through `waitFor` or `pause`. */
function rawWaits(): { file: string; line: string }[] {
  return sources.flatMap(({ path, text }) => {
    const lines = text.split("\n");
    return (
      lines
        .map((line, k) => ({
          line: line.trim(),
          before: lines.slice(Math.max(0, k - 2), k + 1).join(" "),
        }))
        .filter(({ line }) => raw.test(line) && !/^(?:\*|\/\/|\/\*)/.test(line))
        .filter(({ before }) => !/\bwaitFor\(/.test(before))
        // Work that is handed to `waitFor` further down.
        .filter(({ line }) => !/^const all = new Promise/.test(line))
        .map(({ line }) => ({ file: path.split("/").at(-1)!, line }))
    );
  });
}

test("no wait of the cluster is without a bound and words for whom", () => {
  const unknown = rawWaits().filter(
    ({ file, line }) => !known.some((one) => one.file === file && line.includes(one.line)),
  );
  // Go through waitFor or pause of wait.ts; or say in the table above what ends it.
  expect(unknown).toEqual([]);
});

test("every wait of the table is there, and its bound is a limit that exists", () => {
  const found = rawWaits();
  for (const { file, line, bound, whom } of known) {
    const place = `${file}: ${line}`;
    expect(
      found.some((one) => one.file === file && one.line.includes(line)),
      place,
    ).toBe(true);
    expect(whom).not.toBe("");
    const named = Object.hasOwn(limits, bound) || Object.hasOwn(limitDefaults, bound);
    const own = sources.some(({ text }) => new RegExp(`^const ${bound}\\b`, "m").test(text));
    expect(named || own, `${place}: bound ${bound}`).toBe(true);
  }
});

/** Bodies of loops that wait between two attempts, or ask again and again. */
function waitingLoops(of = sources): { file: string; line: string; body: string }[] {
  return of.flatMap(({ path, text }) => {
    const lines = text.split("\n");
    return lines.flatMap((line, start) => {
      const indent = /^( *)(?:for|while) \(|^( *)do \{/.exec(line);
      if (!indent) return [];
      const end = lines.findIndex(
        (one, k) => k >= start && one.startsWith(`${indent[1] ?? indent[2]}}`),
      );
      const body = lines.slice(start, end < 0 ? start + 1 : end + 1).join("\n");
      const waits = /\bawait (?:pause|delay|waitFor)\(|\b(?:await )?callUnary\(/.test(body);
      return waits ? [{ file: path.split("/").at(-1)!, line: line.trim(), body }] : [];
    });
  });
}

/** A loop ends when a time is over, or goes through what is given. */
const endsByItself =
  /(?:now|Date\.now\(\)|performance\.now\(\)) [<>] \w+|^for \((?:const|let) .+ of /;

test("every loop that waits between attempts has a time at which it gives up", () => {
  const loops = waitingLoops();
  expect(loops.length).toBeGreaterThanOrEqual(4);
  const endless = loops.filter(({ body }) => !endsByItself.test(body.trim()));
  expect(endless.map(({ file, line }) => `${file}: ${line}`)).toEqual([]);
  const planted = 'async () => {\n  while (running()) {\n    await pause({ whom: "x" });\n  }\n}';
  const found = waitingLoops([{ path: "src/planted.ts", text: planted }] as typeof sources);
  expect(found.map(({ body }) => endsByItself.test(body.trim()))).toEqual([false]);
});

test("the scan finds a wait that is new", () => {
  for (const line of [
    "await new Promise((resume) => x)",
    "await once(child, 'exit')",
    "setTimeout(f, 5)",
  ]) {
    expect(raw.test(line), line).toBe(true);
  }
});

test("a wait says for whom, since when and until when while it goes, and ends with words", async () => {
  const never = new Promise<void>(() => {});
  const bound = { whom: "member 3 to answer", secondsMax: 0.2 };
  const waiting = waitFor(bound, never);
  const [wait] = waitsNow(100);
  expect(wait!.whom).toBe("member 3 to answer");
  expect(wait!.since).toBeCloseTo(100, 0);
  expect(wait!.until - wait!.since).toBeCloseTo(0.2, 3);
  await expect(waiting).rejects.toThrow("Waited 0.2 s for member 3 to answer, in vain");
  expect(waitsNow(100)).toEqual([]);
  expect(await waitFor(bound, Promise.resolve(7))).toBe(7);
  await pause({ whom: "the next attempt", secondsMax: 0.01 });
  expect(waitsNow(100)).toEqual([]);
});
