/**
 * The programs and environments of the peers, made once in the bench's cache: our C programs by
 * gcc, Python packages by name and version, each in an environment of its own.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { cacheFolder, root } from "./cache.mjs";

const peers = join(root, "bench", "peers");
export const packages = {
  wabbit: "vowpalwabbit==9.11.9",
  scikit: "scikit-learn==1.9.1",
  snap: "snapml==1.17.2",
  liblinear: "liblinear-official==2.50.0",
};

function mustRun(command, args, cwd) {
  const ended = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (ended.status === 0) return;
  throw new Error(`${command} ${args.join(" ")} failed:\n${ended.stderr ?? ended.error}`);
}

/**
 * Compiles sources to a program named after their content, so that a changed source is a new
 * program.
 */
function compiled(name, sources, flags) {
  const hash = createHash("sha256");
  for (const path of [...sources, join(peers, "rows.h")]) hash.update(readFileSync(path));
  // A program for one processor may not run on another that shares this cache.
  hash.update(cpus()[0]?.model ?? "");
  const digest = hash.update(flags.join(" ")).digest("hex").slice(0, 12);
  const program = join(cacheFolder("programs"), `${name}-${digest}`);
  if (existsSync(program)) return program;
  const compiler = sources.some((path) => path.endsWith(".cpp")) ? "g++" : "gcc";
  mustRun(compiler, [...flags, "-o", program, ...sources, "-lm"]);
  return program;
}

const optimised = ["-O3", "-march=native", "-D_GNU_SOURCE"];

export function meter() {
  return compiled("meter", [join(peers, "meter.c")], ["-O2"]);
}

export function epoch() {
  return compiled("epoch", [join(peers, "epoch.c")], optimised);
}

/** LIBLINEAR from the source package that is published under its name, with our main beside it. */
export function liblinear() {
  const folder = cacheFolder("liblinear");
  const source = () =>
    readdirSync(folder).find((name) => existsSync(join(folder, name, "cpp-source")));
  if (source() === undefined) {
    const options = ["--no-deps", "--no-binary", ":all:", "--dest", folder, packages.liblinear];
    mustRun("python3", ["-m", "pip", "download", "--quiet", ...options]);
    const archive = readdirSync(folder).find((name) => name.endsWith(".tar.gz"));
    mustRun("tar", ["xzf", archive], folder);
  }
  const code = join(folder, source(), "cpp-source");
  const objects = ["ddot", "daxpy", "dnrm2", "dscal"].map((name) => {
    return { object: join(folder, `${name}.o`), file: join(code, "blas", `${name}.c`) };
  });
  objects.push({ object: join(folder, "main.o"), file: join(peers, "liblinear.c") });
  for (const { object, file } of objects) {
    mustRun("gcc", [...optimised, "-I", code, "-I", peers, "-c", "-o", object, file]);
  }
  const rest = ["linear.cpp", "newton.cpp"].map((name) => join(code, name));
  const program = join(cacheFolder("programs"), "liblinear");
  mustRun("g++", [...optimised, "-o", program, ...rest, ...objects.map(({ object }) => object)]);
  return program;
}

/** The Python of an environment that holds this one package. */
export function python(name) {
  const folder = join(cacheFolder("environments"), packages[name].replace("==", "-"));
  const interpreter = join(folder, "bin", "python");
  if (existsSync(join(folder, "ready"))) return interpreter;
  mustRun("python3", ["-m", "venv", folder]);
  mustRun(interpreter, ["-m", "pip", "install", "--quiet", packages[name]]);
  mustRun("touch", [join(folder, "ready")]);
  return interpreter;
}

export function peerScript(name) {
  return join(peers, name);
}
