/** Reading of the real data beside the checkout; fails, saying so, where they are not there. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { loadDataset } from "../src/run/load.ts";
import { loadTopics } from "../src/run/loading/topics.ts";
import { folderOf } from "./support-files.ts";

function shared(name: string): string {
  return fileURLToPath(new URL(`../../shared/data/${name}`, import.meta.url));
}

test.each([
  ["rcv1v2-subset/rcv1v2_ccat_train.svm.gz", 22_913, 1_788_429, 47_237],
  ["rcv1v2-subset/rcv1v2_ccat_test.svm.gz", 4_582, 351_389, 47_237],
  ["a9a/a9a_train.svm.gz", 32_561, 451_592, 124],
  ["ijcnn1/ijcnn1_train.svm.gz", 49_990, 649_870, 23],
  ["agaricus/agaricus_train.svm.gz", 6_513, 143_286, 127],
])("%s has %d rows", async (name, rows, nonZeros, width) => {
  const data = await loadDataset(shared(name));
  expect(data).toMatchObject({ rows, nonZeros, width, indexBase: 1 });
  expect(data.labels).toEqual({ kind: "binary", negative: -1, positive: 1 });
});

test("of the 804,414 documents of RCV1-v2, 381,327 are of CCAT", async () => {
  const file = shared("rcv1v2-qrels/rcv1-v2.topics.qrels.gz");
  const labels = await loadTopics({ file, topic: "CCAT" });
  expect(labels).toMatchObject({ documents: 804_414, positives: 381_327 });
});

test("the subset as LYRL2004 vectors with topics has the labels of its svmlight form", async () => {
  const name = shared("rcv1v2-subset/rcv1v2_ccat_train.svm.gz");
  const text = gunzipSync(readFileSync(name)).toString("latin1");
  let document = 0;
  const vectors = text.replaceAll(/^[+-]1 /gm, () => `${++document}  `);
  const { path } = folderOf({ "vectors.dat": vectors });
  const topics = shared("rcv1v2-subset/rcv1v2_topics.qrels.gz");
  const svmlight = await loadDataset(name);
  const lyrl = await loadDataset(path("vectors.dat"), { topics, topic: "CCAT" });
  expect(lyrl).toMatchObject({ rows: 22_913, nonZeros: 1_788_429, labels: svmlight.labels });
  // Chunks are cut in other places, as the lines are longer: compare row after row.
  const labelsOf = (data: typeof lyrl) => data.blocks.flatMap((block) => [...block.label]);
  const valuesOf = (data: typeof lyrl) => data.blocks.flatMap((block) => [...block.value]);
  expect(labelsOf(lyrl)).toEqual(labelsOf(svmlight));
  expect(valuesOf(lyrl)).toEqual(valuesOf(svmlight));
});
