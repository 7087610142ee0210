/** Coordinators that tests start as a stranger would. */
import { type ChildProcess, spawn } from "node:child_process";
import { onTestFinished } from "vitest";
import { cli, smallNews, temporaryFolder } from "../e2e/support.ts";

/** What members of one run have in common. */
export const env = { GLISSADE_TOKEN: "in-common" };

export interface Coordinator {
  readonly address: string;
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string }>;
}

/** A coordinator that waits for members, once it says where it listens. */
export async function startCoordinator(
  args: readonly string[] = [],
  more = {},
  source = smallNews,
): Promise<Coordinator> {
  const cwd = temporaryFolder();
  const all = [cli, "coordinator", source, "--listen", "127.0.0.1:0", "--json", ...args];
  const child = spawn(process.execPath, all, { cwd, env: { ...process.env, ...env, ...more } });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  const ended = new Promise<{ code: number | null; stdout: string }>((resolve) => {
    child.on("close", (code) => resolve({ code, stdout }));
  });
  const address = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
      const found = /worker --join (\S+:\d+)/.exec(stderr);
      if (found) resolve(found[1]!);
    });
    child.on("close", () => reject(new Error(stderr)));
  });
  return { address, child, ended };
}
