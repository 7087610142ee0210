/**
 * Labels from a topics file in the form of LYRL2004 ("rcv1-v2.topics.qrels"): lines of topic, document id
 * and 1. A document is positive when ANY of its lines names the topic, whatever the order of the lines.
 * Every document must have at least one line: one without any is more likely missing than negative.
 */
import type { Block } from "./block.ts";
import { InputError } from "./input-error.ts";

/** What is known of each document: 0 no line, 1 lines but none with the topic, 2 positive. */
export interface TopicLabels {
  readonly file: string;
  readonly topic: string;
  /** Pages of 65,536 documents; a page without lines is not there. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
  readonly positives: number;
  readonly documents: number;
}

const pageBits = 16;
const pageSize = 2 ** pageBits;
const lineFeed = 10;

/** Reads topic lines piece by piece; a piece may end anywhere. */
export class TopicReader {
  readonly #file: string;
  readonly #topic: string;
  readonly #wanted: Uint8Array;
  readonly #pages = new Map<number, Uint8Array>();
  readonly #names = new Set<string>();
  #rest: Uint8Array = new Uint8Array(0);
  #line = 0;
  #previous: Uint8Array = new Uint8Array(0);

  constructor(file: string, topic: string) {
    this.#file = file;
    this.#topic = topic;
    this.#wanted = Uint8Array.from(topic, (character) => character.charCodeAt(0));
  }

  add(piece: Uint8Array): void {
    const bytes = new Uint8Array(this.#rest.length + piece.length);
    bytes.set(this.#rest);
    bytes.set(piece, this.#rest.length);
    let start = 0;
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
      this.#addLine(bytes.subarray(start, end));
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
  }

  /** @throws InputError when no line names the topic. */
  finish(): TopicLabels {
    if (this.#rest.length > 0) this.#addLine(this.#rest);
    let positives = 0;
    let documents = 0;
    for (const page of this.#pages.values()) {
      for (const state of page) {
        if (state > 0) documents++;
        if (state > 1) positives++;
      }
    }
    if (positives === 0) throw this.#topicMissing();
    const { pages, file, topic } = { pages: this.#pages, file: this.#file, topic: this.#topic };
    return { file, topic, pages, positives, documents };
  }

  #addLine(line: Uint8Array): void {
    this.#line++;
    const topicEnd = fieldEnd(line, 0);
    const idStart = skipBlanks(line, topicEnd);
    const idEnd = fieldEnd(line, idStart);
    const judgementStart = skipBlanks(line, idEnd);
    const judgementEnd = fieldEnd(line, judgementStart);
    if (topicEnd === 0 && idStart === line.length) return;
    const id = readNumber(line, idStart, idEnd);
    const judgement = readNumber(line, judgementStart, judgementEnd);
    const complete = topicEnd > 0 && skipBlanks(line, judgementEnd) === line.length;
    if (!complete || id === undefined || judgement === undefined) throw this.#lineBad(line);
    const name = line.subarray(0, topicEnd);
    if (!equal(name, this.#previous)) this.#noteName(name);
    const positive = judgement > 0 && equal(name, this.#wanted);
    const page = this.#pageOf(id);
    const slot = id % pageSize;
    page[slot] = Math.max(page[slot]!, positive ? 2 : 1);
  }

  #pageOf(id: number): Uint8Array {
    const key = Math.floor(id / pageSize);
    let page = this.#pages.get(key);
    if (!page) {
      page = new Uint8Array(pageSize);
      this.#pages.set(key, page);
    }
    return page;
  }

  /** The names seen, for the error that suggests one; lines come sorted by document, so names repeat. */
  #noteName(name: Uint8Array): void {
    this.#previous = name.slice();
    if (this.#names.size < 1000) this.#names.add(String.fromCharCode(...name));
  }

  #topicMissing(): InputError {
    const names = [...this.#names].sort();
    const shown = names.slice(0, 8).join(", ");
    return new InputError({
      code: "bad-topics",
      file: this.#file,
      found: names.length > 0 ? `no line with the topic ${this.#topic}` : "no topics",
      expected: "at least one document of the topic",
      hint: names.length > 0 ? `its topics are ${shown}, ...` : "check the file",
    });
  }

  #lineBad(line: Uint8Array): InputError {
    const text = String.fromCharCode(...line.subarray(0, 60));
    return new InputError({
      code: "bad-topics",
      file: this.#file,
      line: this.#line,
      column: 1,
      found: JSON.stringify(text),
      expected: "a topic, a document id and 1",
      hint: "give the qrels file of the topics (rcv1-v2.topics.qrels)",
    });
  }
}

/**
 * Replaces the document ids in a block's label column by +1 and -1.
 * @throws InputError when a document has no line in the topics file.
 */
export function labelByTopic(block: Block, labels: TopicLabels, source: string): void {
  const ids = new Uint32Array(block.buffer, block.label.byteOffset, block.rows);
  const missing: number[] = [];
  for (let row = 0; row < block.rows; row++) {
    const id = ids[row]!;
    const state = labels.pages.get(id >>> pageBits)?.[id % pageSize] ?? 0;
    if (state === 0) missing.push(id);
    block.label[row] = state === 2 ? 1 : -1;
  }
  if (missing.length > 0) throw documentsMissing(missing, labels, source);
}

function documentsMissing(ids: readonly number[], labels: TopicLabels, source: string): InputError {
  const more = ids.length > 1 ? ` (and ${ids.length - 1} more in the same block)` : "";
  return new InputError({
    code: "bad-topics",
    file: source,
    found: `document ${ids[0]}${more} without a line in ${labels.file}`,
    expected: "at least one topic line for every document",
    hint: "give the topics file that belongs to these vectors",
  });
}

function readNumber(line: Uint8Array, start: number, end: number): number | undefined {
  if (start === end || end - start > 10) return undefined;
  let number = 0;
  for (let i = start; i < end; i++) {
    const digit = line[i]! - 48;
    if (digit < 0 || digit > 9) return undefined;
    number = 10 * number + digit;
  }
  return number < 2 ** 32 ? number : undefined;
}

function skipBlanks(line: Uint8Array, at: number): number {
  while (at < line.length && isBlank(line[at]!)) at++;
  return at;
}

function fieldEnd(line: Uint8Array, at: number): number {
  while (at < line.length && !isBlank(line[at]!)) at++;
  return at;
}

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === 13;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
