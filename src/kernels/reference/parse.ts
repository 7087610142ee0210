/** The slow twin of assembly/parse.ts: line by line, with strings; the same rows and the same faults. */
import type { Block } from "../../data/block.ts";
import {
  type BlockArena,
  distinctLabelsMax,
  type Fault,
  type FaultCode,
  faultsMax,
  idMax,
  type ParseOptions,
  type ParseReport,
  type TextParser,
  type TextRange,
} from "../../data/parser.ts";
import { scanNumber } from "./number.ts";

/** A parser over any memory, for tests. */
export function referenceParser(arena: Pick<BlockArena, "buffer">): TextParser {
  return {
    count(text) {
      const content = read(arena, text);
      return {
        newlines: content.split("\n").length - 1,
        colons: content.split(":").length - 1,
      };
    },
    parse: (text, block, options) => parseLines(read(arena, text), block, options),
  };
}

interface ParsedRow {
  readonly label: number;
  readonly documentId: number;
  readonly ids: number[];
  readonly values: number[];
  readonly unseen: number;
}

class RowFault {
  readonly code: FaultCode;
  readonly at: number;
  constructor(code: FaultCode, at: number) {
    this.code = code;
    this.at = at;
  }
}

function parseLines(content: string, block: Block, options: ParseOptions): ParseReport {
  const ids: number[] = [];
  const labels: number[] = [];
  const faults: Fault[] = [];
  let [rows, ordinals, unseen, faultCount, start] = [0, 0, 0, 0, 0];
  block.rowStart[0] = 0;
  for (const line of content.split("\n").slice(0, -1)) {
    const offset = start;
    start += line.length + 1;
    const body = bodyOf(line);
    if (/^[ \t]*$/.test(body)) continue;
    const row = parseRow(body, options);
    if (row instanceof RowFault) {
      if (faults.length < faultsMax) faults.push({ code: row.code, offset: offset + row.at });
      if (++faultCount > options.badRowsMax) break;
      ordinals++;
      continue;
    }
    block.index.set(row.ids, ids.length);
    block.value.set(row.values, ids.length);
    ids.push(...row.ids);
    unseen += row.unseen;
    block.rowId[rows] = ordinals++;
    if (options.format === "lyrl") {
      new Uint32Array(block.buffer, block.label.byteOffset)[rows] = row.documentId;
    } else {
      block.label[rows] = row.label;
      if (!Number.isNaN(row.label) && !labels.some((label) => label === row.label)) {
        labels.push(row.label);
      }
    }
    block.rowStart[++rows] = ids.length;
  }
  return {
    rows,
    nonZeros: ids.length,
    width: ids.reduce((width, id) => Math.max(width, id + 1), 0),
    idMin: ids.length > 0 ? ids.reduce((least, id) => Math.min(least, id)) : undefined,
    ordinals,
    unseen,
    labels: labels.slice(0, distinctLabelsMax),
    moreLabels: labels.length > distinctLabelsMax,
    faultCount,
    faults,
  };
}

/** A line without its comment and without the carriage return of its end. */
function bodyOf(line: string): string {
  const comment = line.indexOf("#");
  if (comment >= 0) return line.slice(0, comment);
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

function parseRow(line: string, options: ParseOptions): ParsedRow | RowFault {
  const head = options.format === "lyrl" ? parseDocument(line) : parseLabel(line, options);
  if (head instanceof RowFault) return head;
  const ids: number[] = [];
  const values: number[] = [];
  let unseen = 0;
  let previous = -1;
  let at = skipBlanks(line, head.end);
  while (at < line.length) {
    const entry = parseEntry(line, at, previous);
    if (entry instanceof RowFault) return entry;
    previous = entry.id;
    if (entry.id >= options.widthLimit) {
      unseen++;
    } else {
      ids.push(entry.id);
      values.push(entry.value);
    }
    at = skipBlanks(line, entry.end);
  }
  return { label: head.label, documentId: head.documentId, ids, values, unseen };
}

function parseEntry(line: string, at: number, previous: number) {
  const digits = matchAt(/\d+/y, line, at);
  if (digits === "") return new RowFault("id-bad", at);
  const id = Number(digits);
  if (id > idMax) return new RowFault("id-too-large", at);
  const colon = at + digits.length;
  if (line[colon] !== ":") {
    return new RowFault(isDelimiter(line[colon]) ? "colon-missing" : "id-bad", at);
  }
  if (id === previous) return new RowFault("id-repeated", at);
  if (id < previous) return new RowFault("id-unsorted", at);
  const value = scanNumber(line, colon + 1);
  if (value.status === "bad" && isDelimiter(line[colon + 1])) {
    return new RowFault("value-missing", colon + 1);
  }
  if (value.status !== "ok") return new RowFault(`value-${value.status}`, colon + 1);
  if (!isDelimiter(line[value.end])) return new RowFault("value-bad", colon + 1);
  return { id, value: value.value, end: value.end };
}

function parseLabel(line: string, options: ParseOptions) {
  const at = skipBlanks(line, 0);
  const label = scanNumber(line, at);
  if (label.status === "ok" && line[label.end] === ":") {
    if (options.labels === "required") return new RowFault("label-missing", at);
    return { label: Number.NaN, documentId: 0, end: at };
  }
  if (label.status !== "ok") return new RowFault(`label-${label.status}`, at);
  if (!isDelimiter(line[label.end])) return new RowFault("label-bad", at);
  const next = skipBlanks(line, label.end);
  if (!line.startsWith("qid:", next)) return { label: label.value, documentId: 0, end: next };
  const query = matchAt(/qid:\d+/y, line, next);
  const end = next + query.length;
  if (query === "" || !isDelimiter(line[end])) return new RowFault("query-bad", next);
  return { label: label.value, documentId: 0, end };
}

function parseDocument(line: string) {
  const at = skipBlanks(line, 0);
  const digits = matchAt(/\d+/y, line, at);
  const end = at + digits.length;
  const documentId = Number(digits);
  if (digits === "" || documentId >= 2 ** 32 || !isDelimiter(line[end])) {
    return new RowFault("document-bad", at);
  }
  return { label: 0, documentId, end };
}

function matchAt(pattern: RegExp, line: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(line)?.[0] ?? "";
}

function skipBlanks(line: string, at: number): number {
  return at + matchAt(/[ \t]*/y, line, at).length;
}

/** The end of the line is a delimiter too. */
function isDelimiter(character: string | undefined): boolean {
  return character === undefined || " \t\r".includes(character);
}

function read(arena: Pick<BlockArena, "buffer">, { address, byteLength }: TextRange): string {
  return Buffer.from(new Uint8Array(arena.buffer, address, byteLength).slice()).toString("latin1");
}
