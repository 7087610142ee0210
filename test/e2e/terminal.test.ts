import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import {
  cli,
  type RunOptions,
  runProcess,
  signalAfter,
  smallNews,
  temporaryFolder,
} from "./support.ts";

/** Python's pty module gives a process a real terminal of a known size. */
const onTerminal = `
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    os.write(1, data)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
const hasPython = spawnSync("python3", ["-c", "import pty"]).status === 0;
const sequence = "\u001b[";

function train(columns: number, args: readonly string[], options: RunOptions = {}) {
  const command = [process.execPath, cli, "train", smallNews, "--epochs", "5", ...args];
  return runProcess("python3", ["-c", onTerminal, String(columns), ...command], {
    cwd: temporaryFolder(),
    ...options,
    env: { TERM: "xterm-256color", ...options.env },
  });
}

describe.skipIf(!hasPython)("on a terminal (skipped without Python, which makes one)", () => {
  test("lines are redrawn, and the last one stays", async () => {
    const { stdout, code } = await train(100, []);
    expect(code).toBe(0);
    expect(stdout).toContain(sequence);
    expect(stdout).toMatch(/model\.safetensors: accuracy .* try: glissade predict/);
  });

  test("no redrawn line is wider than a narrow terminal", async () => {
    const { stdout } = await train(30, ["--l2", "1e-4", "--step", "optimal:t0=1000"]);
    const drawn = plain(stdout.split("model.safetensors:")[0]!).split(/\r?\n|\r/);
    expect(Math.max(...drawn.map((line) => line.length))).toBeLessThanOrEqual(30);
  });

  test("COLUMNS counts more than the terminal", async () => {
    const { stdout } = await train(100, ["--l2", "1e-4", "--step", "optimal:t0=1000"], {
      env: { COLUMNS: "25" },
    });
    const drawn = plain(stdout.split("model.safetensors:")[0]!).split(/\r?\n|\r/);
    expect(Math.max(...drawn.map((line) => line.length))).toBeLessThanOrEqual(25);
  });

  test("NO_COLOR and --no-color: no colours", async () => {
    for (const { stdout } of [
      await train(100, ["--staleness", "3"], { env: { NO_COLOR: "1" } }),
      await train(100, ["--staleness", "3", "--no-color"]),
    ]) {
      expect(stdout).toContain("warning:");
      expect(stdout).not.toMatch(colors);
    }
    expect((await train(100, ["--staleness", "3"])).stdout).toMatch(colors);
  });

  test.each([[{ TERM: "dumb" }], [{ CI: "true" }]])(
    "%j: plain lines, nothing redrawn",
    async (env) => {
      const { stdout } = await train(100, [], { env });
      expect(stdout).toContain("epoch 5, validation loss");
      expect(stdout.replaceAll(colors, "")).not.toContain(sequence);
    },
  );

  test("ctrl-C on the terminal: the cursor is shown again", async () => {
    const env = signalAfter("SIGINT", "epoch");
    const { stdout, code } = await train(100, ["--epochs", "1000000", "--l2", "1e-4"], { env });
    expect(code, stdout).toBe(130);
    const hidden = stdout.lastIndexOf(`${sequence}?25l`);
    expect(hidden).toBeGreaterThanOrEqual(0);
    expect(stdout.lastIndexOf(`${sequence}?25h`)).toBeGreaterThan(hidden);
  });
});

test("without a terminal: plain lines and no escape sequences", async () => {
  const command = [cli, "train", smallNews, "--epochs", "5", "--staleness", "3"];
  const { stdout, stderr } = await runProcess(process.execPath, command, {
    cwd: temporaryFolder(),
  });
  expect(stderr).toContain("epoch 5, validation loss");
  expect(stdout + stderr).not.toContain("\u001b");
});

test("FORCE_COLOR colours plain lines", async () => {
  const command = [cli, "train", smallNews, "--epochs", "5", "--staleness", "3"];
  const { stderr } = await runProcess(process.execPath, command, {
    cwd: temporaryFolder(),
    env: { FORCE_COLOR: "1" },
  });
  expect(stderr).toMatch(colors);
});

/** Escape sequences that set colours, not those that move the cursor. */
const colors = new RegExp(`${"\u001b"}\\[\\d+(;\\d+)*m`, "g");

/** Text without its escape sequences. */
function plain(text: string): string {
  return text.replaceAll(new RegExp(`${"\u001b"}\\[[0-9;?]*[A-Za-z]`, "g"), "");
}
