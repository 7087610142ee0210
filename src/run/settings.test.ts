import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readInterval, readRequirements, readStep, readStop, writeStopRule } from "./rules.ts";
import { settingText } from "./setting-text.ts";
import { defaultTrainSettings, parseTrainSettings, settingsSchema } from "./settings.ts";
import { refuseUnavailable, settingsWithoutEffect } from "./settings-effect.ts";
import { strategyOn } from "./strategy-names.ts";

describe("settings of a run", () => {
  test("nothing given is the defaults, and the defaults read back as themselves", () => {
    expect(parseTrainSettings({})).toEqual(defaultTrainSettings());
    expect(parseTrainSettings(defaultTrainSettings())).toEqual(defaultTrainSettings());
    expect(defaultTrainSettings()).toMatchObject({
      loss: "hinge",
      l2: "auto",
      validation: 0.1,
      metric: "loss",
      stop: "auto",
      evaluateEvery: { every: 1, unit: "epochs" },
    });
  });

  test("text and the data it stands for are the same setting", () => {
    const fromText = parseTrainSettings({
      stop: "epochs:20,gap:0.1%,time:1min",
      step: "decay:eta0=2",
      staleness: "3:15",
      evaluateEvery: "5000rows",
      memory: "512MiB",
    });
    expect(fromText.stop).toEqual([
      { rule: "epochs", epochs: 20 },
      { rule: "gap", relative: 0.001 },
      { rule: "time", seconds: 60 },
    ]);
    expect(fromText.step).toEqual({ name: "decay", eta0: 2, beta: 0.9 });
    expect(fromText.staleness).toEqual({ low: 3, high: 15 });
    expect(parseTrainSettings(fromText)).toEqual(fromText);
  });

  test("losses have the names of other libraries too", () => {
    expect(parseTrainSettings({ loss: "logistic" }).loss).toBe("log");
    expect(parseTrainSettings({ loss: "log_loss" }).loss).toBe("log");
    expect(parseTrainSettings({ loss: "mse" }).loss).toBe("squared");
  });

  test("epochs is short for a rule of stop", () => {
    expect(parseTrainSettings({ epochs: 5 }).stop).toEqual([{ rule: "epochs", epochs: 5 }]);
    expect(parseTrainSettings({ epochs: 5, stop: "window:15" }).stop).toHaveLength(2);
    expect(() => parseTrainSettings({ epochs: 5, stop: "epochs:6" })).toThrow("each rule once");
  });

  test("an unknown or wrong setting is named, with what was expected and found", () => {
    expect(() => parseTrainSettings({ los: "hinge" } as never)).toThrow("los is no setting");
    expect(() => parseTrainSettings({ validation: 1 })).toThrow(
      'Cannot read setting validation: expected a number at least 0 and below 1, found "1"',
    );
    expect(() => parseTrainSettings({ bias: "maybe" } as never)).toThrow("expected true or false");
    expect(() => parseTrainSettings({ stop: "epoch:3" })).toThrow('did you mean "epochs"?');
    expect(() => parseTrainSettings({ step: "decay:gamma=3" })).toThrow(
      "expected parameters of decay (eta0, beta)",
    );
  });

  test("every setting has a group, a description and text that reads back as its default", () => {
    const defaults = settingsSchema.parse({}) as unknown as Record<string, never>;
    for (const [name, schema] of Object.entries(settingsSchema.shape)) {
      expect(schema.meta()).toMatchObject({ group: expect.any(String) });
      const text = settingText(defaults[name]!);
      if (text === "") continue;
      const again = settingsSchema.parse({ [name]: text }) as Record<string, unknown>;
      expect(again[name], name).toEqual(defaults[name]);
    }
  });
});

describe("grammars", () => {
  test("a written stop rule reads back as itself", () => {
    const positive = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
    const rule = fc.oneof(
      fc.record({ rule: fc.constant("epochs" as const), epochs: positive }),
      fc.record({ rule: fc.constant("time" as const), seconds: positive }),
      fc.record({ rule: fc.constant("target-loss" as const), loss: positive }),
      fc.record({ rule: fc.constant("window" as const), evaluations: fc.integer({ min: 1 }) }),
      fc.record({ rule: fc.constant("plateau" as const), difference: positive }),
    );
    fc.assert(
      fc.property(rule, (value) => {
        expect(readStop(writeStopRule(value))).toEqual([value]);
      }),
    );
  });

  test("nothing in place of a rule, as an empty place of a list in YAML, is answered in words", () => {
    expect(() => parseTrainSettings({ stop: [null as never] })).toThrow("stop");
    expect(() => parseTrainSettings({ stop: [null as never] })).not.toThrow(TypeError);
    for (const name of ["limits", "evaluateEvery", "step"]) {
      expect(() => parseTrainSettings({ [name]: null })).not.toThrow(TypeError);
    }
  });

  test("a stop rule without a value is answered with an example", () => {
    expect(() => readStop("epochs")).toThrow("expected epochs:VALUE as in epochs:20");
    expect(() => readStop("target-accuracy:94")).toThrow("at most 1");
  });

  test.each([
    ["1", { every: 1, unit: "epochs" }],
    ["0.5epochs", { every: 0.5, unit: "epochs" }],
    ["5000rows", { every: 5000, unit: "rows" }],
    ["250ms", { every: 0.25, unit: "seconds" }],
    ["1e4 rows", { every: 10000, unit: "rows" }],
  ])("interval %s", (text, interval) => expect(readInterval(text)).toEqual(interval));

  test.each(["", "rows", "0", "5weeks", "-1rows", "1.5rows"])("%j is no interval", (text) => {
    expect(() => readInterval(text)).toThrow(RangeError);
  });

  test("step sizes take the parameters they have", () => {
    expect(readStep("constant:eta0=0.1")).toEqual({ name: "constant", eta0: 0.1 });
    expect(readStep("inverse-scaling")).toMatchObject({ eta0: "auto", power: 0.5 });
    expect(() => readStep("antunes:eta0=1")).toThrow("takes no parameters");
  });

  test("requirements keep the user's own words", () => {
    expect(readRequirements("gap<=0.1%, accuracy>=0.94")).toEqual([
      { quantity: "gap", operator: "<=", value: 0.001, text: "gap<=0.1%" },
      { quantity: "accuracy", operator: ">=", value: 0.94, text: "accuracy>=0.94" },
    ]);
    expect(() => readRequirements("gap=0.1%")).toThrow("expected a condition such as");
    expect(() => readRequirements("acuracy>0.9")).toThrow('did you mean "accuracy"?');
  });
});

test("a setting without effect is named with the reason, but only if the user set it", () => {
  const settings = parseTrainSettings({ staleness: 3, validation: 0.2, valid: "v.svm" });
  const given = new Set(["staleness", "valid", "validation"] as const);
  expect(settingsWithoutEffect(settings, given)).toEqual([
    { setting: "staleness", reason: "only strategies ssp, dssp and ad-psgd have it" },
    { setting: "validation", reason: "--valid names the validation rows" },
  ]);
  expect(settingsWithoutEffect(settings, new Set())).toEqual([]);
});

test.each([
  ["--solver sdca where no strategy ascends", { solver: "sdca", strategy: "bsp" }, "solver"],
  [
    "--solver sdca on a cluster, whose default is bsp",
    { solver: "sdca", engine: "cluster" },
    "solver",
  ],
  ["--hosts on threads", { engine: "threads" }, "hosts"],
] as const)("%s has no effect, and that is all that is said", (_name, options, setting) => {
  const settings = parseTrainSettings(options);
  const given = new Set(["solver", "step", "hosts"] as const);
  if (setting === "solver") given.delete("hosts");
  else given.delete("solver");
  const found = settingsWithoutEffect({ ...settings, strategy: strategyOn(settings) }, given);
  expect(found.map((one) => one.setting)).toEqual([setting]);
});

test("what no engine can do is refused, never taken for something else", () => {
  const onCluster = (strategy: string) => () =>
    refuseUnavailable(parseTrainSettings({ engine: "cluster", strategy }));
  expect(onCluster("hogwild")).toThrow(
    "Cannot train on engine cluster as its members exchange messages and strategy hogwild does not",
  );
  for (const strategy of ["auto", "bsp", "./mine.ts"]) expect(onCluster(strategy)).not.toThrow();
  expect(() => refuseUnavailable(defaultTrainSettings())).not.toThrow();
});
