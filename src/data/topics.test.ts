import fc from "fast-check";
import { expect, test } from "vitest";
import { blockByteLength, createBlock } from "./block.ts";
import { labelByTopic, TopicReader } from "./topics.ts";

function readTopics(text: string, topic: string, pieceBytes = 7) {
  const reader = new TopicReader("topics.qrels", topic);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    reader.add(bytes.subarray(at, at + pieceBytes));
  }
  return reader.finish();
}

function blockOfDocuments(ids: readonly number[]) {
  const shape = { rows: ids.length, nonZeros: 0 };
  const buffer = new ArrayBuffer(blockByteLength(shape));
  const block = createBlock(buffer, 0, { ...shape, width: 0, rowIdBase: 0 });
  new Uint32Array(buffer, block.label.byteOffset, ids.length).set(ids);
  return block;
}

test("a document is positive if any of its lines names the topic, in any order of lines", () => {
  const lines = ["CCAT 7 1", "GCAT 7 1", "GCAT 8 1", "C15 9 1", "CCAT 9 1", "CCATX 10 1"];
  fc.assert(
    fc.property(
      fc.shuffledSubarray(lines, { minLength: lines.length }),
      fc.integer({ min: 1, max: 60 }),
      (order, pieceBytes) => {
        const labels = readTopics(order.join("\n"), "CCAT", pieceBytes);
        expect(labels).toMatchObject({ positives: 2, documents: 4 });
        const block = blockOfDocuments([7, 8, 9, 10]);
        labelByTopic(block, labels, "vectors.dat");
        expect([...block.label]).toEqual([1, -1, 1, -1]);
      },
    ),
  );
});

test("a line that is judged 0 does not make a document positive, but it is a line", () => {
  expect(readTopics("CCAT 1 0\nCCAT 2 1\n", "CCAT")).toMatchObject({ positives: 1, documents: 2 });
});

test("a document without any line is an error that names it", () => {
  const labels = readTopics("CCAT 1 1\n", "CCAT");
  expect(() => labelByTopic(blockOfDocuments([1, 70_000, 70_001]), labels, "vectors.dat")).toThrow(
    "vectors.dat: found document 70000 (and 1 more in the same block) without a line in topics.qrels",
  );
});

test("a topic that no line names is an error that lists topics", () => {
  expect(() => readTopics("GCAT 1 1\nECAT 2 1\n", "CCAT")).toThrow("its topics are ECAT, GCAT");
});

test.each(["CCAT x 1", "CCAT 1", "CCAT", "CCAT 1 1 1", "CCAT 4294967296 1"])(
  "%j is no topic line, and the error says which one",
  (line) => {
    expect(() => readTopics(`CCAT 1 1\n${line}\n`, "CCAT")).toThrow("topics.qrels:2:1: found");
  },
);
