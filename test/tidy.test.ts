/**
 * The rules of the house that neither compiler nor linter checks: who may import whom, where Node's own
 * modules may be used, how long files and functions are, and that nothing lies around unused.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { longFunctions, readSources, resolveImport, root, type Source } from "./tidy/sources.ts";

const fileLinesMax = 500;
const functionLinesMax = 70;

/**
 * Who may import whom, by folder of src; `version.ts` is open to all. A folder may always import itself,
 * except that no engine may import another.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  math: [],
  topology: ["math"],
  wire: ["math"],
  model: ["math"],
  data: ["math"],
  kernels: ["math", "model", "data"],
  learner: ["kernels", "math", "model", "data"],
  strategies: ["math", "topology", "wire"],
  membership: ["math", "topology", "wire"],
  engines: [
    ...["math", "topology", "wire", "model", "data", "kernels", "learner"],
    ...["strategies", "membership"],
  ],
  run: [
    ...["math", "topology", "wire", "model", "data", "kernels", "learner"],
    ...["strategies", "membership", "engines"],
  ],
  // Of run, only its event types: see the test below.
  report: ["run"],
  deploy: ["run", "engines"],
  // Entry points, and the plain functions of data and model.
  cli: ["run", "report", "deploy", "engines", "model", "data", "index.ts"],
};

/** Folders that may use Node's own modules; data and kernels keep file access in one file each. */
const nodeFolders = ["engines", "deploy", "run", "report", "cli"];
const nodeFiles = ["src/kernels/loader.ts"];

const typescript = readSources([".ts"]);
const sources = typescript.filter(
  ({ path }) => path.startsWith("src/") && !path.startsWith("src/kernels/assembly/"),
);
const shipped = sources.filter(({ path }) => !isTest(path) && !path.endsWith(".d.ts"));

describe("imports", () => {
  test("every arrow between folders is allowed", () => {
    expect(shipped.flatMap(wrongArrows)).toEqual([]);
  });

  test("every folder of src is in the table", () => {
    const folders = new Set(shipped.map(({ path }) => folderOf(path)));
    for (const folder of folders) {
      if (!folder.endsWith(".ts")) expect(Object.keys(mayImport)).toContain(folder);
    }
  });

  test("no engine imports another", () => {
    const engineOf = (path: string) => /^src\/engines\/([^/]+)\//.exec(path)?.[1];
    const wrong = shipped.flatMap(({ path, imports }) => {
      const own = engineOf(path);
      return targets(path, imports)
        .filter((target) => engineOf(target) !== undefined && engineOf(target) !== own)
        .filter(() => own !== undefined)
        .map((target) => `${path} -> ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  test("reports know nothing of a run but its events", () => {
    const wrong = shipped
      .filter(({ path }) => path.startsWith("src/report/"))
      .flatMap(({ path, imports }) =>
        targets(path, imports)
          .filter((target) => target.startsWith("src/run/") && target !== "src/run/events.ts")
          .map((target) => `${path} -> ${target}`),
      );
    expect(wrong).toEqual([]);
    const events = shipped.find(({ path }) => path === "src/run/events.ts");
    expect(events?.imports).toEqual([]);
  });

  test("Node's own modules stay in their rooms", () => {
    const wrong = shipped
      .filter(({ path }) => !nodeFolders.includes(folderOf(path)) && !nodeFiles.includes(path))
      .filter(({ imports }) => imports.some((name) => name.startsWith("node:")))
      .map(({ path }) => path);
    expect(wrong).toEqual([]);
  });

  test("src never imports test, unless it is a test", () => {
    const wrong = shipped.filter(({ path, imports }) =>
      targets(path, imports).some((target) => !target.startsWith("src/") || isTest(target)),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  test("what is imported from packages is in package.json", () => {
    const { dependencies, devDependencies, peerDependencies } = packageJson();
    const needed = { ...dependencies, ...peerDependencies };
    const packages = (names: readonly string[]) =>
      names
        .filter((name) => !name.startsWith(".") && !name.startsWith("node:"))
        .map(packageOf)
        // Text that a user's program will hold names the package itself.
        .filter((name) => name !== "glissade");
    for (const { path, imports } of shipped) {
      for (const name of packages(imports)) expect(needed, path).toHaveProperty([name]);
    }
    for (const { path, imports } of typescript.filter((source) => isTest(source.path))) {
      for (const name of packages(imports)) {
        expect({ ...dependencies, ...devDependencies }, path).toHaveProperty([name]);
      }
    }
  });
});

describe("sizes", () => {
  test(`no file has more than ${fileLinesMax} lines`, () => {
    const long = readSources([".ts", ".mjs"]).filter(
      ({ path, text }) =>
        text.split("\n").length > fileLinesMax + 1 && !path.includes("/generated/"),
    );
    expect(long.map(({ path, text }) => `${path}: ${text.split("\n").length} lines`)).toEqual([]);
  });

  test(`no function has more than ${functionLinesMax} lines`, () => {
    const long = readSources([".ts", ".mjs"])
      .filter(({ path }) => !path.startsWith("src/kernels/assembly/"))
      .flatMap(({ path, text }) =>
        longFunctions(text, functionLinesMax).map(
          ({ line, lines, head }) => `${path}:${line}: ${lines} lines: ${head}`,
        ),
      );
    expect(long).toEqual([]);
  });

  test("the measure finds long functions of every form, and no short ones", () => {
    const body = Array.from({ length: 80 }, () => "    work();").join("\n");
    const forms = [
      "function f() {",
      "export async function f(",
      "const f = () => {",
      "  method(a: X) {",
    ];
    for (const head of forms) {
      const indent = /^\s*/.exec(head)![0];
      const text = `${head}\n${body}\n${indent}}\n`;
      expect(longFunctions(text, functionLinesMax), head).toHaveLength(1);
    }
    expect(longFunctions(`function f() {\n  work();\n}\n${body}\n}\n`, functionLinesMax)).toEqual(
      [],
    );
  });
});

describe("nothing lies around", () => {
  test("every file is reached from an entry point or a test", () => {
    const { exports, bin } = packageJson();
    const entries = [
      ...Object.values(exports).map((entry) => (typeof entry === "string" ? entry : entry.default)),
      ...Object.values(bin),
    ]
      .filter((path) => path.endsWith(".js"))
      .map((path) => path.replace(/^\.?\/?dist\//, "src/").replace(/\.js$/, ".ts"));
    const reached = reachable([
      ...entries,
      ...typescript
        .filter(({ path }) => isTest(path) || !path.startsWith("src/"))
        .map((s) => s.path),
    ]);
    const dead = typescript
      .filter(({ path }) => path.startsWith("src/") && !path.startsWith("src/kernels/assembly/"))
      .filter(({ path }) => !path.endsWith(".d.ts") && !reached.has(path));
    expect(dead.map(({ path }) => path)).toEqual([]);
  });

  test("no notes to self, no tests switched on alone or off without a reason", () => {
    const words = new RegExp(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"].join("\\b|\\b"));
    const found = readSources([".ts", ".mjs", ".md"]).flatMap(({ path, text }) =>
      text.split("\n").flatMap((line, i, lines) => {
        const place = `${path}:${i + 1}: ${line.trim()}`;
        if (words.test(line)) return [place];
        if (!path.endsWith(".ts")) return [];
        if (/\b(?:test|it|describe)\.only\b/.test(line)) return [place];
        const off = /\b(?:test|it|describe)\.(?:skip|skipIf|runIf|todo)\b/.test(line);
        // The title, in this line or the next ones, says when and why it is skipped.
        const reason = /skipped|only where/.test(lines.slice(i, i + 4).join(" "));
        return off && !reason ? [place] : [];
      }),
    );
    expect(found.filter((line) => !line.startsWith("test/tidy"))).toEqual([]);
  });

  test("no debugger, and no console in what is shipped", () => {
    const wrong = shipped.filter(({ text }) => /\bdebugger;|\bconsole\.\w+\(/.test(text));
    expect(wrong.filter(({ text }) => !onlyInComments(text)).map(({ path }) => path)).toEqual([]);
  });

  test("no absolute path of a machine and no host of a package registry", () => {
    const wrong = readSources([".ts", ".mjs", ".md", ".json", ".yaml", "run"]).filter(({ text }) =>
      new RegExp(["/wo" + "rk/", "registry\\.npm" + "js\\.", "py" + "pi\\.org"].join("|")).test(
        text,
      ),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});

function wrongArrows({ path, imports }: Source): string[] {
  const own = folderOf(path);
  const allowed = mayImport[own];
  if (allowed === undefined) return [];
  return targets(path, imports)
    .filter((target) => target.startsWith("src/"))
    .map((target) => ({ target, folder: folderOf(target) }))
    .filter(({ folder }) => folder !== own && folder !== "version.ts" && !allowed.includes(folder))
    .map(({ target }) => `${path} -> ${target}`);
}

function targets(path: string, imports: readonly string[]): string[] {
  return imports.map((name) => resolveImport(path, name)).filter((target) => target !== null);
}

/** `run` for src/run/loading/read.ts, `index.ts` for src/index.ts. */
function folderOf(path: string): string {
  return path.split("/")[1]!;
}

function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || path.startsWith("test/");
}

function packageOf(name: string): string {
  return name
    .split("/")
    .slice(0, name.startsWith("@") ? 2 : 1)
    .join("/");
}

function reachable(entries: readonly string[]): Set<string> {
  const byPath = new Map(typescript.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    const source = byPath.get(path);
    if (source) waiting.push(...targets(path, source.imports));
  }
  return reached;
}

function onlyInComments(text: string): boolean {
  const code = text.split("\n").filter((line) => !/^\s*(?:\*|\/\/|\/\*)/.test(line));
  return !/\bdebugger;|\bconsole\.\w+\(/.test(code.join("\n"));
}

interface PackageJson {
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
  readonly exports: Record<string, string | { default: string }>;
  readonly bin: Record<string, string>;
}

function packageJson(): PackageJson {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}
