/** Turns a parser's fault (a code and an offset) into words, while the text is still there. */
import { type Fault, type FaultCode, idMax } from "./parser.ts";

/** A fault in words; lines are counted from the start of its chunk, from 0. */
export interface FaultNote {
  readonly lineOfChunk: number;
  readonly column: number;
  readonly found: string;
  readonly expected: string;
  readonly hint: string;
}

const lineFeed = 10;
const tokenCharactersMax = 40;

const expectations: Record<FaultCode, readonly [expected: string, hint: string]> = {
  "label-bad": ["a number as label", "a row is: label id:value id:value ..."],
  "label-missing": ["a label before the first id:value", "a row is: label id:value id:value ..."],
  "label-not-finite": ["a finite label", "remove the row or give it a label"],
  "label-too-large": ["a label below 3.4e38", "scale the labels"],
  "id-bad": ["id:value with a whole number as id", "ids are whole numbers from 0, then a colon"],
  "id-too-large": [`an id of at most ${idMax}`, "renumber or hash the ids to 28 bits"],
  "colon-missing": ["a colon and a value after the id", "write id:value, 1 if it is only present"],
  "id-repeated": ["each id once in a row", "add the values up or keep one of them"],
  "id-unsorted": ["ids in ascending order", "sort the entries of the row by id"],
  "value-missing": [
    "a number after the colon",
    "write the value, or leave the entry out if it is 0",
  ],
  "value-bad": ["a number after the colon", "values are decimal numbers as 0.25 or -1e-3"],
  "value-not-finite": ["a finite value", "leave the entry out, or replace the missing value"],
  "value-too-large": ["a value below 3.4e38", "scale the values"],
  "document-bad": ["a document id", "a row of LYRL2004 vectors is: docid  id:value id:value ..."],
  "query-bad": ["qid: and a whole number", "write qid:N or leave it out"],
};

/** Finds line, column and token of a fault. `text` is the chunk the fault's offset counts from. */
export function describeFault(text: Uint8Array, fault: Fault): FaultNote {
  const lineStart = text.subarray(0, fault.offset).lastIndexOf(lineFeed) + 1;
  const lineEnd = nextOf(text, fault.offset, isLineFeed);
  const token = readToken(text.subarray(fault.offset, lineEnd));
  const [expected, hint] = expectations[fault.code];
  const binary = findBinary(text.subarray(lineStart, lineEnd), fault.offset - lineStart);
  const place = {
    lineOfChunk: countLineFeeds(text.subarray(0, lineStart)),
    column: fault.offset - lineStart + 1,
  };
  if (binary) return { ...place, ...binary };
  return { ...place, found: found(text, fault, token), expected, hint };
}

function found(text: Uint8Array, fault: Fault, token: string): string {
  if (token === "") return "nothing";
  if (fault.code !== "id-unsorted" && fault.code !== "id-repeated") return JSON.stringify(token);
  let end = fault.offset;
  while (end > 0 && isBlank(text[end - 1]!)) end--;
  let start = end;
  while (start > 0 && !isBlank(text[start - 1]!)) start--;
  return `${JSON.stringify(token)} after ${JSON.stringify(readToken(text.subarray(start, end)))}`;
}

/** A control character or a byte outside ASCII in or near the bad token: then this is no such text at all. */
function findBinary(line: Uint8Array, from: number): Omit<FaultNote, "lineOfChunk"> | undefined {
  const token = line.subarray(from, nextOf(line, from, isBlank));
  const at = token.findIndex((byte) => byte < 32 || byte > 126);
  if (at < 0) return undefined;
  const byte = token[at]!;
  if (from === 0 && (byte === 0xff || byte === 0xfe) && byte + line[1]! === 0x1fd) {
    const hint = "convert it (iconv -f UTF-16 -t UTF-8)";
    return { column: 1, found: "UTF-16 text", expected: "text in ASCII or UTF-8", hint };
  }
  const lone = byte === 13;
  return {
    column: from + at + 1,
    found: lone ? "a carriage return without a line feed" : `byte 0x${hex(byte)}`,
    expected: lone ? "lines that end with a line feed" : "svmlight text",
    hint: lone
      ? "convert the line ends (tr '\\r' '\\n')"
      : "this does not look like svmlight text: is it the right file, in plain, gzip or zstd form?",
  };
}

function readToken(bytes: Uint8Array): string {
  const token = bytes.subarray(0, nextOf(bytes, 0, isBlank));
  const shown = token.subarray(0, tokenCharactersMax);
  const text = String.fromCharCode(...shown.map((byte) => (byte < 32 || byte > 126 ? 63 : byte)));
  return token.length > tokenCharactersMax ? `${text}...` : text;
}

function countLineFeeds(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) count++;
  return count;
}

function nextOf(bytes: Uint8Array, from: number, test: (byte: number) => boolean): number {
  let at = from;
  while (at < bytes.length && !test(bytes[at]!)) at++;
  return at;
}

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === lineFeed;
}

function isLineFeed(byte: number): boolean {
  return byte === lineFeed;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
