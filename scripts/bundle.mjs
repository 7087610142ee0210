/**
 * Puts the command line's modules, and those of the packages it uses, into a few files, as opening and
 * compiling two hundred takes longer than learning from a small file. Only dist/cli changes: threads, and whoever uses glissade as a library, load the modules as tsc wrote them.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { rolldown } from "rolldown";

/** Loaded by themselves, and only where they are there or needed. */
const external = [
  ...["@grpc/grpc-js", "@swc/wasm-typescript"],
  ...["@peculiar/x509", "reflect-metadata"],
];

/** @param dist folder of the modules that tsc wrote. */
export async function bundleProgram(dist) {
  const folder = join(dist, "cli");
  const options = { platform: "node", external, plugins: [keepPlaces(dist, folder)] };
  const training = await modulesOf(join(folder, "train.js"), options);
  const bundle = await rolldown({ ...options, input: { program: join(folder, "program.js") } });
  const written = readdirSync(folder).filter((name) => !/^(main|program)\.js$/.test(name));
  const { output } = await bundle.write({
    dir: folder,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "parts/[name]-[hash].js",
    // What every training loads is one file, whoever else uses some of it.
    codeSplitting: { groups: [{ name: "training", test: (id) => training.has(id) }] },
  });
  await bundle.close();
  for (const name of written) rmSync(join(folder, name));
  writeLicences(join(dist, "LICENSES.txt"), output);
}

/** All that a module needs before it runs. */
async function modulesOf(input, options) {
  const bundle = await rolldown({ ...options, input });
  const { output } = await bundle.generate({ format: "esm" });
  await bundle.close();
  const chunks = new Map(output.map((chunk) => [chunk.fileName, chunk]));
  const modules = new Set();
  const seen = new Set();
  const visit = (name) => {
    const chunk = chunks.get(name);
    if (!chunk || seen.has(name)) return;
    seen.add(name);
    for (const id of chunk.moduleIds) modules.add(id);
    chunk.imports.forEach(visit);
  };
  visit(output[0].fileName);
  return modules;
}

/** Threads and kernels are found beside the module that asks for them: `import.meta.url` stays what it was. */
function keepPlaces(dist, folder) {
  const mark = "@module-of:";
  return {
    name: "keep-places",
    transform(code, id) {
      if (!id.startsWith(dist) || !code.includes("import.meta.url")) return null;
      return code.replaceAll("import.meta.url", `"${mark}${relative(dist, id)}"`);
    },
    renderChunk(code, { fileName }) {
      const from = dirname(join(folder, fileName));
      return code.replace(new RegExp(`"${mark}([^"]*)"`, "g"), (_, name) => {
        return `new URL("${relative(from, join(dist, name))}", import.meta.url).href`;
      });
    },
  };
}

/** The licences of packages whose code is in the bundle ask to go with it. */
function writeLicences(path, output) {
  const ids = output.flatMap((chunk) => chunk.moduleIds ?? []);
  const packages = new Set(
    ids.flatMap((id) => id.match(/^.*\/node_modules\/(@[^/]+\/)?[^/]+/)?.[0] ?? []),
  );
  const texts = [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(folder, "package.json"), "utf8"),
    );
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? readFileSync(join(folder, file), "utf8") : `Licence: ${license}`;
    return `${name} ${version}\n\n${text.trim()}\n`;
  });
  writeFileSync(path, `Packages whose code is in dist/cli.\n\n${texts.join("\n---\n\n")}`);
}
