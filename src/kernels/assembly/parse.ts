/**
 * svmlight text to the columns of a block. One call parses one chunk and keeps nothing between calls, so
 * threads parse different chunks of one memory at the same time.
 *
 * The text must end with a line feed and 64 readable bytes must follow it: every token then ends before
 * the end of the text, and no loop needs to look for it. `countText` gives upper bounds of rows and
 * entries, so the columns never overflow: an entry needs its colon, a row its line feed.
 */
import { numberBad, numberEnd, numberNotFinite, numberOk, numberStatus, scanNumber } from "./number";
import { smallPowers } from "./powers";
import { entryConstants, entryShuffles } from "./shuffles";

// The job, in u32 words at one address: what to do, then what was found. data/parser.ts has the same list.
const jobText = 0;
const jobEnd = 4;
const jobRowStart = 8;
const jobIndex = 12;
const jobValue = 16;
const jobLabel = 20;
const jobRowId = 24;
const jobMode = 28;
const jobWidthLimit = 32;
const jobBadRowsMax = 36;
const jobRows = 64;
const jobNonZeros = 68;
const jobWidth = 72;
const jobIdMin = 76;
const jobOrdinals = 80;
const jobUnseen = 84;
const jobFaults = 88;
const jobLabels = 92;
const jobLabelList = 96;
const jobFaultList = 160;
const jobNewlines = 224;
const jobColons = 228;

const labelsMax: u32 = 16;
const faultsMax: u32 = 8;

const modeLabelsOptional: u32 = 1;
const modeDocuments: u32 = 2;

const idMax: u64 = 0x0fff_ffff;

const faultLabelBad: u32 = 1;
const faultLabelMissing: u32 = 2;
const faultIdBad: u32 = 5;
const faultIdTooLarge: u32 = 6;
const faultColonMissing: u32 = 7;
const faultIdRepeated: u32 = 8;
const faultIdUnsorted: u32 = 9;
const faultValueMissing: u32 = 10;
const faultValueBad: u32 = 11;
const faultDocumentBad: u32 = 14;
const faultQueryBad: u32 = 15;

/** A bit for each of tab, line feed, carriage return, blank and #. */
const delimiters: u64 = (1 << 0x09) | (1 << 0x0a) | (1 << 0x0d) | (1 << 0x20) | (1 << 0x23);
const zeros: u64 = 0x3030_3030_3030_3030;

/** Where the row ends, its last stored entry's end, and what is wrong with it (0: nothing). */
let rowEnd: usize = 0;
let fault: u32 = 0;
let faultAt: usize = 0;
let unseen: u32 = 0;
let mode: u32 = 0;
let label: f32 = 0;
let documentId: u32 = 0;

export function parseText(job: usize): void {
  const text: usize = load<u32>(job + jobText);
  const end: usize = load<u32>(job + jobEnd);
  const badRowsMax = load<u32>(job + jobBadRowsMax);
  const widthLimit = load<u32>(job + jobWidthLimit);
  const indexStart: usize = load<u32>(job + jobIndex);
  const valueShift: usize = <usize>load<u32>(job + jobValue) - indexStart;
  const rowStartColumn: usize = load<u32>(job + jobRowStart);
  const labelColumn: usize = load<u32>(job + jobLabel);
  const rowIdColumn: usize = load<u32>(job + jobRowId);
  mode = load<u32>(job + jobMode);
  let out = indexStart;
  let rows: u32 = 0;
  let ordinals: u32 = 0;
  let width: u32 = 0;
  let idMin: u32 = 0xffff_ffff;
  unseen = 0;
  store<u32>(job + jobFaults, 0);
  store<u32>(job + jobLabels, 0);
  store<u32>(rowStartColumn, 0);

  let p = text;
  while (p < end) {
    p = skipBlanks(p);
    const c = load<u8>(p);
    if (c == 0x0a) {
      p++;
      continue;
    }
    if (c == 0x23 || (c == 0x0d && load<u8>(p + 1) == 0x0a)) {
      p = nextLine(p);
      continue;
    }
    const unseenBefore = unseen;
    const rowOut = parseRow(p, out, valueShift, widthLimit);
    p = rowEnd;
    if (fault != 0) {
      unseen = unseenBefore;
      if (noteFault(job, <u32>(faultAt - text)) > badRowsMax) break;
      p = nextLine(faultAt);
      ordinals++;
      continue;
    }
    if (rowOut != out) {
      // Ids ascend, so a row's first and last id are its least and greatest.
      idMin = min(idMin, load<u32>(out));
      width = max(width, load<u32>(rowOut - 4) + 1);
      out = rowOut;
    }
    store<u32>(rowIdColumn + (<usize>rows << 2), ordinals++);
    if (mode & modeDocuments) {
      store<u32>(labelColumn + (<usize>rows << 2), documentId);
    } else {
      store<f32>(labelColumn + (<usize>rows << 2), label);
      noteLabel(job, label);
    }
    rows++;
    store<u32>(rowStartColumn + (<usize>rows << 2), <u32>((out - indexStart) >> 2));
  }
  store<u32>(job + jobRows, rows);
  store<u32>(job + jobNonZeros, <u32>((out - indexStart) >> 2));
  store<u32>(job + jobWidth, width);
  store<u32>(job + jobIdMin, idMin);
  store<u32>(job + jobOrdinals, ordinals);
  store<u32>(job + jobUnseen, unseen);
}

/** Parses the row whose first token is at `at`; sets rowEnd (the start of the next line) or fault. Returns the entries' end. */
function parseRow(at: usize, indexOut: usize, valueShift: usize, widthLimit: u32): usize {
  let p = parseHead(at);
  if (fault != 0) return indexOut;
  let out = indexOut;
  let previous: i32 = -1;
  // Loaded, because the compiler would make constants anew for every entry.
  const zeroDigits = v128.load(entryConstants);
  const toTop = v128.load(entryConstants, 16);
  const joinPairs = v128.load(entryConstants, 32);
  const joinFours = v128.load(entryConstants, 48);
  const joinEights = v128.load(entryConstants, 64);
  while (true) {
    let c: u32 = load<u8>(p);
    if (c == 0x20) c = load<u8>(++p);

    // Usual entries, as long as they come: where bytes other than digits stand is found for 64 bytes at
    // once, so that the next entry does not wait for the loads of the one before.
    let others: u64 = 0;
    while (true) {
      let behindColon = others & (others - 1);
      let behindPoint = behindColon & (behindColon - 1);
      if (behindPoint == 0) {
        others = otherThanDigits(p, zeroDigits, toTop);
        behindColon = others & (others - 1);
        behindPoint = behindColon & (behindColon - 1);
        if (behindPoint == 0) break;
      }
      const idDigits = <u32>ctz(others);
      const point = <u32>ctz(behindColon);
      if (idDigits - 1 >= 8) break;
      if (point != idDigits + 2) break;
      const marks = load<u32>(p + idDigits) & 0xff00ff;
      // One digit without a point, as for features that are there or not, ends where the point would be.
      let end = point;
      let fraction: u32 = 0;
      if (marks == 0x2e003a) {
        end = <u32>ctz(behindPoint);
        fraction = end - point - 1;
        if (fraction - 1 >= 7) break;
        if (end > 16) break;
      } else if ((marks & 0xff) != 0x3a) {
        break;
      }
      const places = v128.load(entryShuffles + <usize>(((idDigits << 3) + fraction) << 4));
      const digits = i8x16.swizzle(i8x16.sub(v128.load(p), zeroDigits), places);
      // A lane holds a + 256*b; times 2561 its upper byte is 10*a + b, as 2560*256 vanishes.
      const pairs = i16x8.shr_u(i16x8.mul(digits, joinPairs), 8);
      const fours = i32x4.dot_i16x8_s(pairs, joinFours);
      const eights = i32x4.dot_i16x8_s(i16x8.narrow_i32x4_s(fours, fours), joinEights);
      const both = i64x2.extract_lane(eights, 0);
      const id = <u32>both;
      const mantissa = <i32>(both >> 32);
      // Above, its f32 would be rounded before the division rounds.
      if (mantissa > 0x100_0000) break;
      if (<i32>id <= previous) break;
      const next = <u32>load<u8>(p + end);
      if (next != 0x20) {
        if (!isDelimiter(next)) break;
      }
      const value = <f32>mantissa / load<f32>(smallPowers + (<usize>fraction << 2));
      previous = <i32>id;
      p += end;
      if (id >= widthLimit) {
        unseen++;
      } else {
        store<u32>(out, id);
        store<f32>(out + valueShift, value);
        out += 4;
      }
      if (next != 0x20) break;
      p++;
      others >>= end + 1;
    }
    c = load<u8>(p);

    // What is left: the end of the row, an entry of another form, or a fault.
    if (c - 0x30 >= 10) {
      p = skipBlanks(p);
      c = load<u8>(p);
      if (c == 0x0a) {
        rowEnd = p + 1;
        return out;
      }
      if (c == 0x23 || (c == 0x0d && load<u8>(p + 1) == 0x0a)) {
        rowEnd = nextLine(p);
        return out;
      }
      if (c - 0x30 >= 10) return fail(faultIdBad, p, out);
    }
    // The id: the digits among the next eight bytes, all at once.
    const token = p;
    const bytes = load<u64>(p) ^ zeros;
    const stops = ((bytes + 0x7676_7676_7676_7676) | bytes) & 0x8080_8080_8080_8080;
    let id: u32;
    if (stops != 0) {
      const bits = ctz(stops) & 0x38;
      id = joinDigits(bytes << (64 - bits));
      p += <usize>(bits >> 3);
    } else {
      let long: u64 = 0;
      while (<u32>load<u8>(p) - 0x30 < 10) {
        if (long <= idMax) long = long * 10 + (load<u8>(p) - 0x30);
        p++;
      }
      if (long > idMax) return fail(faultIdTooLarge, token, out);
      id = <u32>long;
    }
    c = load<u8>(p);
    if (c != 0x3a) return fail(isDelimiter(c) ? faultColonMissing : faultIdBad, token, out);
    if (<i32>id <= previous) {
      return fail(<i32>id == previous ? faultIdRepeated : faultIdUnsorted, token, out);
    }
    previous = <i32>id;
    p++;

    // The value: most are 0.ddd or -0.ddd with up to seven digits; anything else is scanned.
    let value: f32 = 0;
    const valueAt = p;
    const negative = load<u8>(p) == 0x2d;
    p += <usize>negative;
    const start = <u32>load<u16>(p);
    const fraction = load<u64>(p + 2) ^ zeros;
    const ends = ((fraction + 0x7676_7676_7676_7676) | fraction) & 0x8080_8080_8080_8080;
    if (start == 0x2e30 && (ends & 0x80) == 0 && ends != 0) {
      const bits = ctz(ends) & 0x38;
      value = <f32>joinDigits(fraction << (64 - bits)) / load<f32>(smallPowers + <usize>(bits >> 1));
      value = negative ? -value : value;
      p += 2 + <usize>(bits >> 3);
      c = load<u8>(p);
    }
    if (!isDelimiter(c)) {
      value = scanNumber(valueAt);
      p = numberEnd;
      if (numberStatus != numberOk) {
        const missing = numberStatus == numberBad && isDelimiter(load<u8>(valueAt));
        return fail(missing ? faultValueMissing : faultValueBad + numberStatus - 1, valueAt, out);
      }
      if (!isDelimiter(load<u8>(p))) return fail(faultValueBad, valueAt, out);
    }
    if (id >= widthLimit) {
      unseen++;
    } else {
      store<u32>(out, id);
      store<f32>(out + valueShift, value);
      out += 4;
    }
  }
}

/** Parses what stands before the entries: label and query id, or document id. Returns where it ends. */
function parseHead(at: usize): usize {
  fault = 0;
  if (mode & modeDocuments) return parseDocumentId(at);
  let p = at;
  label = scanNumber(p);
  let c: u32 = load<u8>(numberEnd);
  if (numberStatus == numberOk && c == 0x3a) {
    if (!(mode & modeLabelsOptional)) return fail(faultLabelMissing, at, at);
    label = NaN;
    return at;
  }
  if (numberStatus != numberOk) return fail(faultLabelBad + (numberStatus == numberBad ? 0 : numberStatus), at, at);
  if (!isDelimiter(c)) return fail(faultLabelBad, at, at);
  p = skipBlanks(numberEnd);
  if (load<u32>(p) == 0x3a64_6971) {
    const query = p;
    p += 4;
    while (<u32>load<u8>(p) - 0x30 < 10) p++;
    if (p == query + 4 || !isDelimiter(load<u8>(p))) return fail(faultQueryBad, query, at);
  }
  return p;
}

function parseDocumentId(at: usize): usize {
  let p = at;
  let id: u64 = 0;
  while (<u32>load<u8>(p) - 0x30 < 10) {
    if (id <= 0xffff_ffff) id = id * 10 + (load<u8>(p) - 0x30);
    p++;
  }
  if (p == at || id > 0xffff_ffff || !isDelimiter(load<u8>(p))) return fail(faultDocumentBad, at, at);
  documentId = <u32>id;
  return p;
}

/** Notes what is wrong and where; returns `result`, for the caller to return in turn. */
function fail(code: u32, at: usize, result: usize): usize {
  fault = code;
  faultAt = at;
  return result;
}

/** A bit for each of the 64 bytes at `p` that is no digit. */
// @ts-ignore: decorator
@inline
function otherThanDigits(p: usize, zeroDigits: v128, toTop: v128): u64 {
  const low = otherOf16(p, zeroDigits, toTop) | (otherOf16(p + 16, zeroDigits, toTop) << 16);
  return low | (otherOf16(p + 32, zeroDigits, toTop) << 32) | (otherOf16(p + 48, zeroDigits, toTop) << 48);
}

// @ts-ignore: decorator
@inline
function otherOf16(p: usize, zeroDigits: v128, toTop: v128): u64 {
  const offsets = i8x16.sub(v128.load(p), zeroDigits);
  // Saturating: only 0 to 9 stay below 128, and the bit mask takes the top bits.
  return <u64>(<u32>i8x16.bitmask(i8x16.add_sat_u(offsets, toTop)));
}

/** Up to eight digits, right-aligned (first digit in the lowest byte that is used), as a number. */
// @ts-ignore: decorator
@inline
function joinDigits(bytes: u64): u32 {
  const pairs = bytes * 10 + (bytes >> 8);
  const high = (pairs & 0xff_0000_00ff) * 0xf_4240_0000_0064;
  const low = ((pairs >> 16) & 0xff_0000_00ff) * 0x2710_0000_0001;
  return <u32>((high + low) >> 32);
}

// @ts-ignore: decorator
@inline
function isDelimiter(c: u32): bool {
  return c < 64 && ((delimiters >> c) & 1) != 0;
}

function skipBlanks(at: usize): usize {
  let p = at;
  let c = load<u8>(p);
  while (c == 0x20 || c == 0x09) c = load<u8>(++p);
  return p;
}

function nextLine(at: usize): usize {
  let p = at;
  while (load<u8>(p) != 0x0a) p++;
  return p + 1;
}

/** Writes the fault into the job's list while there is room; returns how many there are now. */
function noteFault(job: usize, offset: u32): u32 {
  const count = load<u32>(job + jobFaults);
  if (count < faultsMax) {
    const entry = job + jobFaultList + (<usize>count << 3);
    store<u32>(entry, fault);
    store<u32>(entry + 4, offset);
  }
  store<u32>(job + jobFaults, count + 1);
  return count + 1;
}

/** Writes the label into the job's list of distinct labels; one more than the list holds means "more". */
function noteLabel(job: usize, value: f32): void {
  const count = load<u32>(job + jobLabels);
  if (count > labelsMax || value != value) return;
  for (let i: u32 = 0; i < count; i++) {
    if (load<f32>(job + jobLabelList + (<usize>i << 2)) == value) return;
  }
  if (count < labelsMax) store<f32>(job + jobLabelList + (<usize>count << 2), value);
  store<u32>(job + jobLabels, count + 1);
}

/** Counts line feeds and colons, 64 bytes at a time: the upper bounds of rows and entries. */
export function countText(job: usize): void {
  let p: usize = load<u32>(job + jobText);
  const end: usize = load<u32>(job + jobEnd);
  const newline = i8x16.splat(0x0a);
  const colon = i8x16.splat(0x3a);
  let newlines: u32 = 0;
  let colons: u32 = 0;
  while (p + 64 <= end) {
    // Lanes count down by at most four a turn, at most 255 in all before they are added up.
    const stop = min(end - 63, p + 63 * 64);
    let lines = i8x16.splat(0);
    let entries = i8x16.splat(0);
    while (p < stop) {
      const a = v128.load(p);
      const b = v128.load(p, 16);
      const c = v128.load(p, 32);
      const d = v128.load(p, 48);
      const linesOfTwo = i8x16.add(i8x16.eq(a, newline), i8x16.eq(b, newline));
      const entriesOfTwo = i8x16.add(i8x16.eq(a, colon), i8x16.eq(b, colon));
      lines = i8x16.sub(lines, i8x16.add(linesOfTwo, i8x16.add(i8x16.eq(c, newline), i8x16.eq(d, newline))));
      entries = i8x16.sub(entries, i8x16.add(entriesOfTwo, i8x16.add(i8x16.eq(c, colon), i8x16.eq(d, colon))));
      p += 64;
    }
    newlines += addLanes(lines);
    colons += addLanes(entries);
  }
  while (p < end) {
    const c = load<u8>(p++);
    newlines += u32(c == 0x0a);
    colons += u32(c == 0x3a);
  }
  store<u32>(job + jobNewlines, newlines);
  store<u32>(job + jobColons, colons);
}

function addLanes(lanes: v128): u32 {
  const sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(lanes));
  return (
    i32x4.extract_lane(sums, 0) +
    i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) +
    i32x4.extract_lane(sums, 3)
  );
}
