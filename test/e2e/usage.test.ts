import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { version } from "../../src/version.ts";
import { glissade, lastObject, smallNews, temporaryFolder } from "./support.ts";

describe("wrong use is exit code 2, one line, and a hint", () => {
  test.each([
    [["train", "x.svm", "--workesr", "2"], "Did you mean --workers?"],
    [["trian", "x.svm"], "Did you mean train?"],
    [
      ["train", "x.svm", "--loss", "hing"],
      '--loss: expected one of hinge, squared-hinge, log, squared, found "hing"; did you mean "hinge"?',
    ],
    [["train", "x.svm", "--stop", "epoch:3"], 'did you mean "epochs"?'],
    [
      ["train", "x.svm", "--validation", "1.5"],
      '--validation: expected a number at least 0 and below 1, found "1.5"',
    ],
    [["train", "x.svm", "--C", "1", "--l2", "1e-4"], "--C and --l2 say the same thing twice"],
    [["train", "x.svm", "--topic", "CCAT"], "--topic needs --topics FILE"],
    [["train", "x.svm", "--config", "none.yaml"], "none.yaml: no such file"],
    [["train", "x.svm", "--l2"], "argument missing"],
    [["predict"], "missing required argument 'model'"],
    [["runs", "delete"], "expected list or show"],
  ])("%j", async (args, hint) => {
    const { code, stdout, stderr } = await glissade(args, { cwd: temporaryFolder() });
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^glissade: /);
    expect(stderr).toContain(hint);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });

  test("with --json it is an object too", async () => {
    const { code, stdout } = await glissade(["train", "x.svm", "--loss", "hing", "--json"]);
    expect(code).toBe(2);
    expect(lastObject(stdout)).toMatchObject({ command: "train", status: "failed" });
    expect(lastObject(stdout).error.message).toContain('found "hing"');
  });

  test("with --json an unknown flag, too", async () => {
    for (const command of ["train", "doctor", "trian"]) {
      const { code, stdout } = await glissade([command, "x.svm", "--bogus", "--json"]);
      expect(code).toBe(2);
      expect(stdout).toMatch(/^\{"glissade":"1","command":"\w+","status":"failed"/);
      expect(lastObject(stdout).error).toMatchObject({
        message: expect.stringMatching(/^unknown (option|command) '/),
        file: null,
      });
    }
  });

  test("every object of --json has a status and an error, which is null when all is well", async () => {
    const cwd = temporaryFolder();
    const begins = /^\{"glissade":"1","command":"\w+","status":"(done|failed)"/;
    const missing = ["compare", smallNews, "--l2", "1", "--strategies", "./missing.mjs"];
    for (const [args, code] of [
      [["doctor"], 0],
      [["doctor", "--join", "127.0.0.1:1"], 1],
      [["runs"], 0],
      [["cluster", "init", "secrets"], 0],
      [["check", "bsp", "--schedules", "2"], 0],
      [missing, 1],
    ] as const) {
      const outcome = await glissade([...args, "--json"], { cwd });
      expect([args[0], outcome.code]).toEqual([args[0], code]);
      expect(outcome.stdout).toMatch(begins);
      const { status, error } = lastObject(outcome.stdout);
      expect(status).toBe(code === 0 ? "done" : "failed");
      if (code === 0) expect(error).toBeNull();
      else expect(error.message).toMatch(/ECONNREFUSED|missing\.mjs/);
    }
  });
});

describe("glissade.yaml", () => {
  test("flag, then environment, then file, then default; --print-config says which", async () => {
    const cwd = temporaryFolder();
    writeFileSync(
      join(cwd, "glissade.yaml"),
      "# mine\nloss: log\nl2: 1e-5\nseed: 7\nstop: [epochs:3, window:15]\n",
    );
    const { stdout, code } = await glissade(["train", "--print-config", "--seed", "9"], {
      cwd,
      env: { GLISSADE_L2: "1e-6", GLISSADE_SEED: "8", GLISSADE_HOME: "elsewhere" },
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^seed: 9 +# flag: --seed$/m);
    expect(stdout).toMatch(/^l2: 0\.000001 +# environment: GLISSADE_L2$/m);
    expect(stdout).toMatch(/^loss: log +# file: glissade\.yaml:2$/m);
    expect(stdout).toMatch(/^stop: epochs:3,window:15 +# file: glissade\.yaml:5$/m);
    expect(stdout).toMatch(/^metric: loss +# default$/m);
    expect(stdout).not.toContain("elsewhere");
  });

  test("what --print-config prints is itself such a file", async () => {
    const cwd = temporaryFolder();
    const args = ["train", "--print-config"];
    const first = await glissade([...args, "--l2", "1e-3", "--step", "constant:eta0=0.5"], { cwd });
    writeFileSync(join(cwd, "all.yaml"), first.stdout);
    const second = await glissade([...args, "--config", "all.yaml"], { cwd });
    const values = (text: string) => text.replaceAll(/ +#.*/g, "");
    expect(second.stderr).toBe("");
    expect(values(second.stdout)).toBe(values(first.stdout));
  });

  test.each([
    ["workesr: 2\n", 'glissade.yaml:1: "workesr" is no setting; did you mean "workers"?'],
    [
      "seed: 1\nrowsPerUpdate: 3\n",
      'glissade.yaml:2: "rowsPerUpdate" is no setting; did you mean "rows-per-update"?',
    ],
    ["\n\nl2: tiny\n", 'glissade.yaml:3: l2: expected a number at least 0, found "tiny"'],
    ["seed: 1\nseed: 2\n", "glissade.yaml:2: seed is given twice, first in line 1"],
    ["- a\n", "glissade.yaml:1: expected lines such as"],
    ["seed: [1\n", "glissade.yaml:"],
  ])("%j is answered with file, line and field", async (text, message) => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, "glissade.yaml"), text);
    const { code, stderr } = await glissade(["train", smallNews], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe("help and version", () => {
  test("every command's help shows examples and defaults, on standard output", async () => {
    for (const command of ["train", "predict", "evaluate", "inspect", "runs"]) {
      const { stdout, code } = await glissade([command, "--help"]);
      expect(code, command).toBe(0);
      expect(stdout).toContain("Examples:");
      expect(stdout).toContain(`glissade ${command}`);
    }
    const { stdout } = await glissade(["help", "train"]);
    expect(stdout).toMatch(/--validation <SHARE>[\s\S]*\(default: 0\.1\)/);
    expect(stdout).toMatch(/--loss [\s\S]*\(default: hinge\)/);
  });

  test("help offers what its command takes", async () => {
    const train = (await glissade(["help", "train"])).stdout;
    expect(train).toMatch(/--engine <threads\|cluster>/);
    expect(train).not.toMatch(/preset|spark|kubernetes/);
    const coordinator = (await glissade(["help", "coordinator"])).stdout.replaceAll(/\s+/g, " ");
    expect(coordinator).toContain("how workers agree: auto (bsp), bsp, asp, ssp, dssp, allreduce,");
    expect(coordinator).not.toMatch(/serial, |hogwild|--hosts|--engine|--lock/);
    const all = (await glissade(["help"])).stdout.replaceAll(/\s+/g, " ");
    for (const code of [0, 1, 2, 3, 4, 130, 143])
      expect(all).toMatch(new RegExp(` ${code} [a-zS]`));
  });

  test("--version is the package's", async () => {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    expect(JSON.parse(text).version).toBe(version);
    expect(await glissade(["--version"])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  test("--version loads nothing: in processor time it costs little more than Node itself", async () => {
    const { cli, runProcess } = await import("./support.ts");
    // Processor time, and the least of several: what else this machine does hardly counts.
    const seconds = async (args: string) => {
      const script = `TIMEFORMAT="%U %S"; time ${args} > /dev/null`;
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 7; i++) {
        const { stderr } = await runProcess("bash", ["-c", script, process.execPath, cli]);
        const [user = 0, system = 0] = stderr.trim().split(" ").map(Number);
        least = Math.min(least, user + system);
      }
      return least;
    };
    const node = await seconds('"$0" -e 0');
    const own = await seconds('"$0" "$1" --version');
    expect(own).toBeLessThan(2 * node);
  });
});
