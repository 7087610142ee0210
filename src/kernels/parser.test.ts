import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Block, blockByteLength, createBlock } from "../data/block.ts";
import { idMax, type ParseOptions, type TextParser, textPaddingBytes } from "../data/parser.ts";
import { Arena } from "./arena.ts";
import { loadKernels } from "./loader.ts";
import { kernelParser } from "./parser.ts";
import { toFloat } from "./reference/number.ts";
import { referenceParser } from "./reference/parse.ts";

const arena = new Arena();
const kernels = loadKernels(arena);
const kernel = kernelParser(arena, kernels);
const twin = referenceParser(arena);
const runs = Number(process.env.GLISSADE_PROPERTY_RUNS ?? 2_000);

const plain: ParseOptions = {
  format: "svmlight",
  labels: "required",
  widthLimit: idMax + 1,
  badRowsMax: 0,
};

const canary = 0xa5;
const canaryBytes = 64;

/** Parses bytes into a block between canaries and returns all that was written, as plain values. */
function parseWith(parser: TextParser, bytes: Uint8Array, options: ParseOptions) {
  const length = bytes.length + textPaddingBytes;
  const address = arena.allocate(length);
  const room = new Uint8Array(arena.buffer, address, length).fill(0x39);
  room.set(bytes);
  const text = { address, byteLength: bytes.length };
  const { newlines, colons } = parser.count(text);
  const shape = { rows: newlines, nonZeros: colons };
  const blockBytes = blockByteLength(shape);
  const whole = arena.allocate(blockBytes + 2 * canaryBytes);
  const around = new Uint8Array(arena.buffer, whole, blockBytes + 2 * canaryBytes).fill(canary);
  const block = createBlock(arena.buffer, whole + canaryBytes, {
    ...shape,
    width: 0,
    rowIdBase: 0,
  });
  const report = parser.parse(text, block, options);
  const result = { counts: { newlines, colons }, report, columns: columnsOf(block, report) };
  const intact =
    around.subarray(0, canaryBytes).every((byte) => byte === canary) &&
    around.subarray(canaryBytes + blockBytes).every((byte) => byte === canary);
  expect(intact, "bytes around the block").toBe(true);
  arena.release(whole, blockBytes + 2 * canaryBytes);
  arena.release(address, length);
  return result;
}

function columnsOf(block: Block, { rows, nonZeros }: { rows: number; nonZeros: number }) {
  const bits = (column: Float32Array, length: number) =>
    Array.from(new Uint32Array(column.buffer, column.byteOffset, length));
  return {
    rowStart: Array.from(block.rowStart.subarray(0, rows + 1)),
    index: Array.from(block.index.subarray(0, nonZeros)),
    value: bits(block.value, nonZeros),
    label: bits(block.label, rows),
    rowId: Array.from(block.rowId.subarray(0, rows)),
  };
}

function expectSame(text: string | Uint8Array, options: Partial<ParseOptions> = {}) {
  const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : text;
  const all = { ...plain, ...options };
  const fast = parseWith(kernel, bytes, all);
  expect(fast).toEqual(parseWith(twin, bytes, all));
  return fast;
}

const digits = (max: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength: max });
const sign = fc.constantFrom("", "", "", "-", "+");
const decimal = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("0."), digits(9)) },
  { weight: 2, arbitrary: digits(3).map((text) => [text]) },
  { weight: 2, arbitrary: fc.tuple(sign, digits(12), fc.constant("."), digits(22)) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      sign,
      digits(4),
      fc.constantFrom("e", "E.", "e+", "e-", "E"),
      fc.constantFrom("0", "1", "7", "18", "37", "38", "39", "44", "46", "400"),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ["inf"],
      ["-Infinity"],
      ["nan"],
      ["1."],
      [".5"],
      ["."],
      ["-"],
      ["1e"],
    ),
  },
);
const number = decimal.map((parts) => parts.join(""));
const blank = fc.constantFrom(" ", " ", " ", " ", "  ", "\t", " \t ");
const lineEnd = fc.constantFrom(
  "\n",
  "\n",
  "\n",
  "\n",
  "\r\n",
  " \n",
  " # a comment: 1:2\n",
  "#\n",
);

/** Mostly valid rows: ids ascend, unless a step is 0 or the entry before had the largest id. */
const row = fc
  .record({
    label: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom("1", "-1", "+1", "0", "2", "-0") },
      { weight: 1, arbitrary: number },
    ),
    query: fc.constantFrom("", "", "", "", "qid:7", "qid:", "qid:x"),
    steps: fc.array(
      fc.tuple(
        blank,
        fc.oneof(
          { weight: 60, arbitrary: fc.integer({ min: 1, max: 12_345 }) },
          {
            weight: 1,
            arbitrary: fc.constantFrom(0, -3, 1e7, 1e8, 268_435_455, 268_435_456, 1e20),
          },
        ),
        number,
      ),
      { maxLength: 12 },
    ),
    end: lineEnd,
  })
  .map(({ label, query, steps, end }) => {
    let id = 0;
    let text = label + (query && ` ${query}`);
    for (const [before, step, value] of steps) {
      id = Math.abs(id + step);
      text += `${before}${BigInt(id)}:${value}`;
    }
    return text + end;
  });
const text = fc.array(
  fc.oneof({ weight: 8, arbitrary: row }, fc.constantFrom("\n", "  \n", "#x\n")),
  {
    maxLength: 8,
  },
);

const options = fc.record({
  format: fc.constantFrom("svmlight" as const, "svmlight" as const, "lyrl" as const),
  labels: fc.constantFrom("required" as const, "optional" as const),
  widthLimit: fc.constantFrom(idMax + 1, idMax + 1, 1, 5_000, 20_000),
  badRowsMax: fc.constantFrom(0, 1, 3, 1000),
});

describe("the parse kernel gives the rows and the faults of its twin, and writes nothing else", () => {
  test("for mostly valid rows", () => {
    fc.assert(
      fc.property(text, options, (lines, settings) => {
        expectSame(lines.join(""), settings);
      }),
      { numRuns: runs },
    );
  });

  test("for rows with bytes changed, inserted and removed", () => {
    const change = fc.tuple(
      fc.nat(),
      fc.constantFrom("set", "insert", "remove"),
      fc.oneof(
        fc.integer({ min: 0, max: 255 }),
        fc.constantFrom(...Buffer.from("0123456789 :.#-+eE\t\r\n\0")),
      ),
    );
    const changes = fc.array(change, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(text, changes, options, (lines, list, settings) => {
        const bytes = [...Buffer.from(lines.join(""), "latin1")];
        for (const [place, kind, byte] of list) {
          const at = place % (bytes.length + 1);
          if (kind === "set") bytes[at] = byte;
          else bytes.splice(at, kind === "remove" ? 1 : 0, ...(kind === "insert" ? [byte] : []));
        }
        expectSame(Uint8Array.from([...bytes, 10]), settings);
      }),
      { numRuns: runs },
    );
  });

  test("for random bytes", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .array(fc.constantFrom(...Buffer.from("01239 :.#-+enqidaf\t\r\n\xff\0", "latin1")), {
          maxLength: 120,
        })
        .map((list) => Uint8Array.from(list)),
    );
    fc.assert(
      fc.property(bytes, options, (content, settings) => {
        expectSame(Uint8Array.from([...content, 10]), settings);
      }),
      { numRuns: runs },
    );
  });
});

describe("numbers are the nearest f32, ties to even", () => {
  const fast = (mantissa: bigint, exponent: number) =>
    kernels.toFloat(BigInt.asIntN(64, mantissa), exponent);
  const mantissa = fc.bigInt({ min: 0n, max: 10n ** 19n - 1n });

  test("for any 19 digits and any exponent", () => {
    fc.assert(
      fc.property(mantissa, fc.integer({ min: -90, max: 60 }), (m, e) => {
        expect(fast(m, e)).toBe(toFloat(m, e));
      }),
      { numRuns: 5 * runs },
    );
  });

  test("for every power of ten that the kernel has", () => {
    for (let e = -70; e <= 40; e++) {
      for (const m of [1n, 9n, 16_777_215n, 16_777_217n, 2n ** 53n + 1n, 10n ** 19n - 1n]) {
        expect(fast(m, e), `${m}e${e}`).toBe(toFloat(m, e));
      }
    }
  });

  test("for decimals next to the middle between two floats", () => {
    const bits = fc.integer({ min: 0, max: 0x7f7f_fffe });
    fc.assert(
      fc.property(bits, fc.integer({ min: -2, max: 2 }), (pattern, off) => {
        const [low, high] = Float32Array.from(
          new Float32Array(Uint32Array.of(pattern, pattern + 1).buffer),
        );
        const [head = "", exponent = "0"] = ((low! + high!) / 2).toExponential(18).split("e");
        const m = BigInt(head.replace(".", "")) + BigInt(off);
        const e = Number(exponent) - 18;
        if (m >= 0n && m < 10n ** 19n) expect(fast(m, e)).toBe(toFloat(m, e));
      }),
      { numRuns: 5 * runs },
    );
  });

  test("for exact ties, which go to even", () => {
    expect(fast(16_777_217n, 0)).toBe(16_777_216);
    expect(fast(16_777_219n, 0)).toBe(16_777_220);
    expect(fast(167_772_170n, -1)).toBe(16_777_216);
    expect(fast(9_007_199_791_611_904n, 0)).toBe(9_007_199_254_740_992);
  });

  test("for what JavaScript itself rounds: the shortest text of a float is that float", () => {
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
        (value) => {
          const { report, columns } = expectSame(`1 1:${value}\n`);
          expect(report.faultCount).toBe(0);
          expect(columns.value).toEqual([...new Uint32Array(Float32Array.of(value).buffer)]);
        },
      ),
      { numRuns: runs },
    );
  });
});

describe("what a row may look like", () => {
  test.each([
    ["1 1:0.5 2:1\n", [[1], [2]]],
    ["+1\t1:0.5  2:1 \r\n", [[1], [2]]],
    ["1 qid:3 1:0.5 2:1 # text 9:9\n", [[1], [2]]],
    ["\n  \n# only this\n1 1:5e-1 2:1.0#x\n\r\n", [[1], [2]]],
  ])("%j has entries 1 and 2", (content) => {
    const { report, columns } = expectSame(content);
    expect(report).toMatchObject({ rows: 1, nonZeros: 2, width: 3, idMin: 1, labels: [1] });
    expect(columns.index).toEqual([1, 2]);
  });

  test("ids and values of every length are read, wherever they stand in a row", () => {
    for (let idDigits = 1; idDigits <= 8; idDigits++) {
      for (let fraction = 0; fraction <= 9; fraction++) {
        for (const whole of ["0", "7", "-0", "12"]) {
          const id = 10 ** (idDigits - 1) + 1;
          const entries = Array.from(
            { length: 9 },
            (_, i) =>
              `${id + i}:${whole}${fraction > 0 ? "." : ""}${"987654321".slice(0, fraction)}`,
          );
          const { columns, report } = expectSame(`1 ${entries.join(" ")}\n-1 ${entries[0]}\n`);
          expect(report).toMatchObject({ rows: 2, nonZeros: 10, faultCount: 0 });
          expect(columns.index).toEqual([...entries.map((_, i) => id + i), id]);
        }
      }
    }
  });

  test("line feeds and colons are counted, however many stand together", () => {
    for (const length of [1, 63, 64, 65, 4031, 4032, 4096, 20_000, 65_537]) {
      const address = arena.allocate(length + textPaddingBytes);
      const bytes = new Uint8Array(arena.buffer, address, length + textPaddingBytes);
      for (const [byte, other] of [
        [0x3a, 0x0a],
        [0x0a, 0x3a],
        [0x20, 0x3a],
      ] as const) {
        bytes.fill(0x3a);
        bytes.fill(byte, 0, length);
        for (let at = 5; at < length; at += 7) bytes[at] = other;
        const counted = (wanted: number) =>
          bytes.subarray(0, length).filter((b) => b === wanted).length;
        const expected = { newlines: counted(0x0a), colons: counted(0x3a) };
        expect(kernel.count({ address, byteLength: length })).toEqual(expected);
      }
      arena.release(address, length + textPaddingBytes);
    }
  });

  test("a row may have no entries", () => {
    expect(expectSame("-1\n+1\n").report).toMatchObject({ rows: 2, nonZeros: 0, width: 0 });
  });

  test("more than sixteen distinct labels are counted as more", () => {
    const lines = Array.from({ length: 17 }, (_, i) => `${i / 4} 1:1\n`);
    expect(expectSame(lines.join("")).report.moreLabels).toBe(true);
    expect(expectSame(lines.slice(1).join("")).report.moreLabels).toBe(false);
  });

  test.each([
    ["x 1:1\n", "label-bad", 0],
    ["1:1 2:1\n", "label-missing", 0],
    ["nan 1:1\n", "label-not-finite", 0],
    ["1e99 1:1\n", "label-too-large", 0],
    ["1 -1:1\n", "id-bad", 2],
    ["1 268435456:1\n", "id-too-large", 2],
    ["1 1 2:1\n", "colon-missing", 2],
    ["1 2:1 2:1\n", "id-repeated", 6],
    ["1 2:1 1:1\n", "id-unsorted", 6],
    ["1 2: 3:1\n", "value-missing", 4],
    ["1 2:a\n", "value-bad", 4],
    ["1 2:0.5a\n", "value-bad", 4],
    ["1 2:-inf\n", "value-not-finite", 4],
    ["1 2:1e39\n", "value-too-large", 4],
    ["1 qid:a 2:1\n", "query-bad", 2],
  ])("%j is %s", (content, code, offset) => {
    expect(expectSame(content).report.faults).toEqual([{ code, offset }]);
  });
});
