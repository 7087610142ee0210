/**
 * The data sets of the bench: plain text as every program reads it, the rows in CSR form for the C
 * loop and the evaluator, and the same text as Vowpal Wabbit writes it. All of it is made once, in
 * the bench's cache.
 */
import { spawnSync } from "node:child_process";
import { createReadStream, createWriteStream, existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { cacheFolder, shared } from "./cache.mjs";
import { csrOfText } from "./csr.mjs";

/**
 * Optima by loss and l2: proved by primal and dual (LIBLINEAR and dual ascent agree to all digits).
 */
export const problems = {
  hinge: { loss: "hinge", l2: 1e-4 },
  log: { loss: "log", l2: 1e-6 },
};

const sets = {
  subset: {
    title: "RCV1 subset",
    folder: "rcv1v2-subset",
    files: ["rcv1v2_ccat_train", "rcv1v2_ccat_test"],
    width: 47_236,
    optimum: { hinge: 0.1898013, log: 0.0581716 },
  },
  a9a: {
    title: "a9a",
    folder: "a9a",
    files: ["a9a_train", "a9a_test"],
    width: 123,
    optimum: { hinge: 0.351762 },
  },
  ijcnn1: {
    title: "ijcnn1",
    folder: "ijcnn1",
    files: ["ijcnn1_train", "ijcnn1_test"],
    width: 22,
    optimum: { hinge: 0.175811 },
  },
  twin: {
    title: "twin",
    files: ["twin_train", "twin_test"],
    width: 47_236,
    optimum: { hinge: 0.2362588, log: 0.1456976 },
  },
};

export const setNames = Object.keys(sets);

/** Makes what is missing of a data set; returns where it is. */
export async function prepareSet(name) {
  const set = sets[name];
  const folder = cacheFolder("data");
  if (set.folder === undefined) makeTwin(folder);
  const [train, test] = set.files.map((file) => join(folder, `${file}.svm`));
  if (set.folder !== undefined) {
    for (const [k, path] of [train, test].entries()) {
      await once(path, (target) =>
        pipeline(
          createReadStream(join(shared, "data", set.folder, `${set.files[k]}.svm.gz`)),
          createGunzip(),
          createWriteStream(target),
        ),
      );
    }
  }
  const [trainCsr, testCsr, wabbit] = [`${train}.csr`, `${test}.csr`, `${train}.vw`];
  await once(trainCsr, (target) => csrOfText(train, target));
  await once(testCsr, (target) => csrOfText(test, target));
  await once(wabbit, (target) => writeWabbit(train, target));
  const { title, width, optimum } = set;
  return { name, title, width, optimum, train, test, trainCsr, testCsr, wabbit };
}

function makeTwin(folder) {
  if (existsSync(join(folder, "twin_train.svm"))) return;
  const tool = join(shared, "tools", "make-twin.mjs");
  const real = join(shared, "data", "rcv1v2-subset");
  const made = spawnSync(process.execPath, [tool, "--real", real, "--out", folder], {
    stdio: "inherit",
  });
  if (made.status !== 0) throw new Error("The twin could not be made");
}

/** Writes beside and renames, so that a bench that was stopped leaves no half file. */
async function once(path, make) {
  if (existsSync(path)) return;
  await make(`${path}.part`);
  renameSync(`${path}.part`, path);
}

/** "-1 3:0.5" becomes "-1 | 3:0.5": one namespace without a name, and a label that is -1 or 1. */
async function writeWabbit(from, to) {
  let rest = "";
  const convert = (line) => {
    const space = line.indexOf(" ");
    const label = Number(line.slice(0, space)) > 0 ? "1" : "-1";
    return `${label} |${line.slice(space)}\n`;
  };
  const lines = new Transform({
    transform(chunk, _encoding, done) {
      const parts = (rest + chunk.toString("latin1")).split("\n");
      rest = parts.pop();
      done(null, parts.map(convert).join(""));
    },
    flush: (done) => done(null, rest === "" ? "" : convert(rest)),
  });
  await pipeline(createReadStream(from), lines, createWriteStream(to));
}
