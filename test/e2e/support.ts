/** Runs the built command line the way a user does. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const root = new URL("../..", import.meta.url).pathname;
export const cli = join(root, "dist/cli/main.js");
/** Real data that lies beside the project; tests that need it say so when it is not there. */
const realData = join(root, "../shared/data");

export const subset = {
  train: join(realData, "rcv1v2-subset/rcv1v2_ccat_train.svm.gz"),
  test: join(realData, "rcv1v2-subset/rcv1v2_ccat_test.svm.gz"),
};
export const hasRealData = existsSync(subset.train);

/** A small data set that every machine can make. */
export const smallNews = "synthetic:news:rows=2000,columns=500,seed=3";

export interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly input?: string | Uint8Array;
  /** Called with the process and what it said on standard error so far. */
  readonly watch?: (child: ChildProcess, stderr: string) => void;
}

/** An empty folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "glissade-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * The environment under which glissade sends a signal when it has said this word so often: to itself, to all, which
 * are the processes that it started and itself, or to those of them whose command line has these words.
 */
export function signalAfter(
  name: NodeJS.Signals,
  word: string,
  { times = 1, whom = "self" }: { readonly times?: number; readonly whom?: string } = {},
): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${new URL("signal-after.mjs", import.meta.url)}`,
    SIGNAL_NAME: name,
    SIGNAL_WORD: word,
    SIGNAL_TIMES: String(times),
    SIGNAL_WHOM: whom,
  };
}

/** Starts glissade with these arguments and waits for its end. */
export function glissade(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return runProcess(process.execPath, [cli, ...args], options);
}

export function runProcess(
  command: string,
  args: readonly string[],
  { cwd, env = {}, input, watch }: RunOptions = {},
): Promise<Outcome> {
  const child = spawn(command, args, { cwd, env: { ...cleanEnvironment(), ...env } });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
    watch?.(child, stderr);
  });
  // A program that does not read its input closes the pipe: no failure of the test.
  child.stdin.on("error", () => {});
  child.stdin.end(input ?? "");
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/**
 * Adds a checkpoint that is newer than those of these paths, the newest first, and damaged. Returns the one before it.
 * A run need not live until it has written two.
 */
export function damageNewest([newest]: readonly string[]): string {
  const bytes = readFileSync(newest!);
  bytes[bytes.length - 5]! ^= 1;
  const later = newest!.replace(/\d{12}(?=\.safetensors$)/, (rows) =>
    String(Number(rows) + 1).padStart(12, "0"),
  );
  writeFileSync(later, bytes);
  return newest!;
}

/** The object of `--json`: the last line of standard output. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into it freely
export function lastObject(stdout: string): any {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
}

/** The test runner's own settings of colours and CI must not leak into what is tested. */
function cleanEnvironment(): Record<string, string> {
  const { PATH = "", HOME = "", LANG = "" } = process.env;
  return { PATH, HOME, LANG };
}
