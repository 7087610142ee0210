/** What the documents say is so: settings, events and files they name exist. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatNumber } from "../src/report/format.ts";
import { settingText } from "../src/run/setting-text.ts";
import { type SettingName, settingMeta, settingsSchema } from "../src/run/settings.ts";
import { kebabCase } from "../src/run/settings-origin.ts";
import { readSources, root } from "./tidy/sources.ts";

const documents = readSources([".md"]);

test("docs/cli.md has one line for every setting: flag, default, meaning", () => {
  const text = readFileSync(join(root, "docs/cli.md"), "utf8");
  const defaults = settingsSchema.parse({});
  const missing = (Object.keys(defaults) as SettingName[])
    .map((name) => settingLine(name, defaults[name]))
    .filter((line) => !text.includes(line));
  // Paste what is missing into the table of its group.
  expect(missing.join("\n")).toBe("");
});

test("docs/cli.md names no setting that does not exist", () => {
  const text = readFileSync(join(root, "docs/cli.md"), "utf8");
  const known = [...Object.keys(settingsSchema.shape).map(kebabCase), "epochs"];
  const other = ["config", "print-config", "help", "version", "no-color", "no-"];
  const named = [...text.matchAll(/--([A-Za-z][A-Za-z0-9-]*)/g)].map((match) => match[1]!);
  expect(named.filter((name) => ![...known, ...other].includes(name))).toEqual([]);
});

test("docs/events.md describes every kind of event and every field", () => {
  const source = readFileSync(join(root, "src/run/events.ts"), "utf8");
  const text = readFileSync(join(root, "docs/events.md"), "utf8");
  const kinds = [...source.matchAll(/readonly kind: "([^"]+)"/g)].map((match) => match[1]!);
  const bodies = [...source.matchAll(/export interface \w+ \{([\s\S]*?)\n\}/g)].map(
    (match) => match[1]!,
  );
  const fields = bodies.flatMap((body) =>
    [...body.matchAll(/^ {2}readonly (\w+):/gm)].map((match) => match[1]!),
  );
  expect(kinds.filter((kind) => !text.includes(`### ${kind}`))).toEqual([]);
  expect(fields.filter((field) => !text.includes(`\`${field}\``))).toEqual([]);
});

describe("links", () => {
  test("between documents and to files of the project lead somewhere", () => {
    const broken = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
        .map((match) => match[1]!)
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => !existsSync(join(root, dirname(path), target)))
        .map((target) => `${path}: ${target}`),
    );
    expect(broken).toEqual([]);
  });
});

test("pages that documents name are there", () => {
  const pages = new Set(documents.map(({ path }) => path.split("/").at(-1)));
  // A report that a command of reliability.md writes.
  pages.add("chaos.md");
  const named = documents
    .filter(({ path }) => path.startsWith("docs/") || path === "README.md")
    .flatMap(({ path, text }) =>
      [...text.matchAll(/[\w-]+\.md\b/g)].map(([name]) => ({ path, name })),
    );
  expect(named.filter(({ name }) => !pages.has(name))).toEqual([]);
});

test("docs/cli.md lists every command", () => {
  const source = readFileSync(join(root, "src/cli/program.ts"), "utf8");
  const text = readFileSync(join(root, "docs/cli.md"), "utf8").split("## ")[0]!;
  const commands = [...source.matchAll(/^ {2}(\w+): \{\n {4}summary:/gm)].map((match) => match[1]!);
  expect(commands.length).toBeGreaterThan(10);
  const lines = text.split("\n").filter((line) => line.startsWith("    glissade "));
  const listed = lines.map((line) => line.slice(13, 43)).join(" ");
  expect(commands.filter((name) => !new RegExp(`\\b${name}\\b`).test(listed))).toEqual([]);
});

test("messages that docs/cluster.md explains are in the program", () => {
  const text = readFileSync(join(root, "docs/cluster.md"), "utf8");
  const table = text.split("## What went wrong")[1]!;
  const messages = [...table.matchAll(/^\| (`.*?`) \|/gm)].flatMap((row) =>
    [...row[1]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!),
  );
  const program = readSources([".ts"])
    .filter(({ path }) => path.startsWith("src/") && !path.endsWith(".test.ts"))
    .map((source) => source.text.replaceAll(/\$\{[^}]*\}/g, ""))
    .join("\n");
  // What stands for a name or a number is cut out; the longest piece of what is left must be said somewhere.
  const longest = (message: string) =>
    message
      .split(/HOST:PORT|\bHOST\b|\bN\b|\bX\b|\bY\b|\b\d+\b|\.\.\.|"[^"]*"/)
      .toSorted((a, b) => b.length - a.length)[0]!
      .trim();
  expect(messages.length).toBeGreaterThan(10);
  expect(messages.filter((message) => !program.includes(longest(message)))).toEqual([]);
});

test("the README of a folder of documents names each of them", () => {
  const readme = join(root, "README.md");
  if (!existsSync(readme)) return;
  const text = readFileSync(readme, "utf8") + readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const unnamed = readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .filter((name) => !text.includes(`docs/${name}`));
  expect(unnamed).toEqual([]);
});

function settingLine(name: SettingName, value: Parameters<typeof settingText>[0]): string {
  const { syntax, description, defaultText } = settingMeta(name);
  const off = value === true ? "no-" : "";
  const flag = `--${off}${kebabCase(name)}${syntax === "" ? "" : ` ${syntax}`}`;
  const plain = typeof value === "number" ? formatNumber(value) : settingText(value);
  const shown = defaultText ?? (typeof value === "boolean" ? (value ? "on" : "off") : plain);
  return `| \`${flag.replaceAll("|", "\\|")}\` | ${shown === "" ? "none" : shown} | ${description.replaceAll("|", "\\|")} |`;
}
