import { expect, test } from "vitest";
import { parseConfig } from "./config-file.ts";
import { type SettingName, settingsSchema } from "./settings.ts";
import { refuseUnavailable, settingsWithoutEffect } from "./settings-effect.ts";
import {
  askedFor,
  environmentName,
  kebabCase,
  printConfig,
  resolveSettings,
  SettingError,
} from "./settings-origin.ts";
import { strategyOn } from "./strategy-names.ts";

const nothing = { flags: {}, environment: {}, config: null };

test("flag wins over environment, environment over file, file over default", () => {
  const config = {
    path: "glissade.yaml",
    entries: [
      { key: "l2", value: 0.1, line: 1 },
      { key: "seed", value: 2, line: 2 },
      { key: "loss", value: "log", line: 3 },
    ],
  };
  const { settings, origins } = resolveSettings({
    flags: { l2: "0.3" },
    environment: { GLISSADE_L2: "0.2", GLISSADE_SEED: "3" },
    config,
  });
  expect([settings.l2, settings.seed, settings.loss, settings.metric]).toEqual([
    0.3,
    3,
    "log",
    "loss",
  ]);
  expect([origins.l2, origins.seed, origins.loss, origins.metric]).toEqual([
    { from: "flag", where: "--l2" },
    { from: "environment", where: "GLISSADE_SEED" },
    { from: "file", where: "glissade.yaml:3" },
    { from: "default", where: "" },
  ]);
});

test("only names of the schema are read from the environment", () => {
  const environment = { GLISSADE_PROFILE: "x", GLISSADE: "y", glissade_l2: "1", GLISSADE_L2: "" };
  expect(resolveSettings({ ...nothing, environment })).toEqual(resolveSettings(nothing));
});

test("a wrong value of the environment is named by its variable", () => {
  const environment = { GLISSADE_ROWS_PER_UPDATE: "many" };
  expect(() => resolveSettings({ ...nothing, environment })).toThrow(
    'GLISSADE_ROWS_PER_UPDATE: expected a whole number at least 1, found "many"',
  );
});

test("all wrong values are said at once, one a line", () => {
  try {
    resolveSettings({ ...nothing, flags: { l2: "-1", workers: "0", loss: "hinge" } });
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(SettingError);
    expect((error as Error).message.split("\n")).toEqual([
      expect.stringMatching(/^--l2: /),
      expect.stringMatching(/^--workers: /),
    ]);
  }
});

test("epochs joins the stop rules of its own source, and replaces those of a weaker one", () => {
  const config = { path: "c", entries: [{ key: "stop", value: "window:15", line: 1 }] };
  const flags = { epochs: "5" };
  expect(resolveSettings({ ...nothing, flags, config }).settings.stop).toEqual([
    { rule: "epochs", epochs: 5 },
  ]);
  const both = resolveSettings({ ...nothing, flags: { ...flags, stop: "time:9s" } });
  expect(both.settings.stop).toHaveLength(2);
});

test("names have one form each in flags, files and environment", () => {
  expect([kebabCase("rowsPerUpdate"), kebabCase("C"), kebabCase("l2")]).toEqual([
    "rows-per-update",
    "C",
    "l2",
  ]);
  expect([environmentName("rowsPerUpdate"), environmentName("C")]).toEqual([
    "GLISSADE_ROWS_PER_UPDATE",
    "GLISSADE_C",
  ]);
});

test("a secret is used but never shown", () => {
  const resolved = resolveSettings({ ...nothing, environment: { GLISSADE_TOKEN: "s3cret" } });
  expect(resolved.settings.token).toBe("s3cret");
  const shown = printConfig(resolved, ["token"]);
  expect(shown).toContain("(hidden)");
  expect(shown).not.toContain("s3cret");
});

const allNames = Object.keys(settingsSchema.shape) as SettingName[];

/** The settings of a file that `--print-config` wrote for these. */
async function readBack(flags: Record<string, unknown>, environment = {}) {
  const first = resolveSettings({ ...nothing, flags, environment });
  const entries = await parseConfig(printConfig(first, allNames), "all.yaml");
  return { first, second: resolveSettings({ ...nothing, config: { path: "all.yaml", entries } }) };
}

test.each(["threads", "cluster"])(
  "on engine %s every default written out is the default left out",
  async (engine) => {
    const { first, second } = await readBack({ engine });
    expect(second.settings).toEqual(first.settings);
    // Written out, a default asks for nothing: nobody is warned, nothing is refused.
    const asked = [...askedFor(second)];
    expect(asked).toEqual(engine === "cluster" ? ["engine"] : []);
    const settings = { ...second.settings, strategy: strategyOn(second.settings) };
    expect(settingsWithoutEffect(settings, askedFor(second))).toEqual([]);
    expect(() => refuseUnavailable(settings as never)).not.toThrow();
    for (const name of allNames) {
      const alone = { engine, [name]: first.settings[name] };
      if (first.settings[name] === null || name === "engine" || name === "limits") continue;
      expect(resolveSettings({ ...nothing, flags: alone }).settings, name).toEqual(first.settings);
    }
  },
);

test("hosts mean a cluster, which the printed settings say", async () => {
  const { first, second } = await readBack({ hosts: "me@[::1]:2,b:1" });
  expect(first.settings.engine).toBe("cluster");
  expect(second.settings).toEqual(first.settings);
  const threads = resolveSettings({ ...nothing, flags: { hosts: "b:1", engine: "threads" } });
  expect(threads.settings.engine).toBe("threads");
});

test.each([
  "null",
  "~",
  "true",
  "1e3",
  "0123",
  "a #b",
  "a: b",
  "[::1]:0",
  "- x",
  "'",
  '"',
  "\\",
  "*a",
])("the file name %j is printed so that it is read back", async (model) => {
  const { second } = await readBack({ model, listen: "[::1]:7650", require: "gap<=0.1%" });
  expect(second.settings).toMatchObject({ model, listen: "[::1]:7650" });
});

test("a hidden secret is not read back as a secret", async () => {
  const { second } = await readBack({}, { GLISSADE_TOKEN: "s3cret" });
  expect(second.settings.token).toBeNull();
});
