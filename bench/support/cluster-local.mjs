/** Members of benchmarks: processes of this machine, without log files. */
import { launchLocal } from "../../dist/deploy/local.js";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
export const local = launchLocal({ program, logs: null });

export function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
