/**
 * Decimal text to the nearest f32, ties to even. Exact for up to 19 significant digits; digits past the
 * nineteenth are not read (a relative change below 1e-18, which can only turn a tie). Three ways, from
 * fast to general:
 *   1. mantissa below 2^24, |exponent| <= 10: both are exact as f32, so one operation rounds once (Clinger 1990);
 *   2. mantissa below 2^53, |exponent| <= 22: one f64 operation; rounding that to f32 is wrong only when
 *      the f64 is a midpoint of two floats, which its low 29 bits show: then way 3;
 *   3. the product with 128 bits of the power of five (Eisel and Lemire, "Number parsing at a gigabyte
 *      per second", 2021; that no case is left open for 19 digits: Mushtak and Lemire 2022).
 */
import { powersFirst, powersLast, powersOfFive, smallPowers, widePowers } from "./powers";

export const numberOk: u32 = 0;
export const numberBad: u32 = 1;
export const numberNotFinite: u32 = 2;
export const numberTooLarge: u32 = 3;

/** Where the last scanned number ended, and what it was. Globals belong to one instance, so to one thread. */
export let numberEnd: usize = 0;
export let numberStatus: u32 = 0;

const digitsMax: i32 = 19;
// Beyond any number of digits that a line can have, and ten times it still fits an i32.
const exponentMax: i32 = 200_000_000;

/**
 * Scans sign, digits, fraction and exponent at `at`; the text ends with a line feed, which ends any
 * number. What follows the number is the caller's to judge.
 */
export function scanNumber(at: usize): f32 {
  let p = at;
  let c: u32 = load<u8>(p);
  const negative = c == 0x2d;
  if (negative || c == 0x2b) c = load<u8>(++p);
  let mantissa: u64 = 0;
  let digits: i32 = 0;
  let exponent: i32 = 0;
  const first = p;
  while (c - 0x30 < 10) {
    if (digits < digitsMax) {
      mantissa = mantissa * 10 + (c - 0x30);
      if (mantissa != 0) digits++;
    } else {
      exponent++;
    }
    c = load<u8>(++p);
  }
  let seen = p - first;
  if (c == 0x2e) {
    const fraction = p + 1;
    c = load<u8>(++p);
    while (c - 0x30 < 10) {
      if (digits < digitsMax) {
        mantissa = mantissa * 10 + (c - 0x30);
        if (mantissa != 0) digits++;
        exponent--;
      }
      c = load<u8>(++p);
    }
    seen += p - fraction;
  }
  numberEnd = p;
  if (seen == 0) {
    numberStatus = isNotFinite(first) ? numberNotFinite : numberBad;
    return 0;
  }
  if ((c | 0x20) == 0x65) {
    exponent += scanExponent(p);
    if (numberStatus != numberOk) return 0;
  }
  const size = toFloat(mantissa, exponent);
  numberStatus = size == Infinity ? numberTooLarge : numberOk;
  return negative ? -size : size;
}

/** The exponent after the letter e at `at`; sets where it ended and whether it had digits. */
function scanExponent(at: usize): i32 {
  let p = at + 1;
  let c: u32 = load<u8>(p);
  const negative = c == 0x2d;
  if (negative || c == 0x2b) c = load<u8>(++p);
  numberStatus = c - 0x30 < 10 ? numberOk : numberBad;
  let exponent: i32 = 0;
  while (c - 0x30 < 10) {
    if (exponent < exponentMax) exponent = exponent * 10 + (c - 0x30);
    c = load<u8>(++p);
  }
  numberEnd = p;
  return negative ? -exponent : exponent;
}

/** Whether inf, infinity or nan, in any case, stands at `at`. */
function isNotFinite(at: usize): bool {
  const a: u32 = lower(at);
  if (a == 0x69) return lower(at + 1) == 0x6e && lower(at + 2) == 0x66;
  return a == 0x6e && lower(at + 1) == 0x61 && lower(at + 2) == 0x6e;
}

function lower(at: usize): u32 {
  return <u32>load<u8>(at) | 0x20;
}

/** mantissa * 10^exponent as the nearest f32; Infinity when it is over the largest. */
export function toFloat(mantissa: u64, exponent: i32): f32 {
  if (mantissa < 0x100_0000 && exponent <= 10 && exponent >= -10) {
    const exact = <f32>(<u32>mantissa);
    return exponent < 0
      ? exact / load<f32>(smallPowers + (<usize>-exponent << 2))
      : exact * load<f32>(smallPowers + (<usize>exponent << 2));
  }
  if (mantissa < 0x20_0000_0000_0000 && exponent <= 22 && exponent >= -22) {
    const exact = <f64>mantissa;
    const wide =
      exponent < 0
        ? exact / load<f64>(widePowers + (<usize>-exponent << 3))
        : exact * load<f64>(widePowers + (<usize>exponent << 3));
    const low = reinterpret<u64>(wide) & 0x1fff_ffff;
    // Floats below 2^-126 have fewer bits and other midpoints.
    if (low != 0x1000_0000 && wide > 1.2e-38) return <f32>wide;
  }
  return toFloatByProduct(mantissa, exponent);
}

let productHigh: u64 = 0;
let productLow: u64 = 0;

function toFloatByProduct(mantissa: u64, exponent: i32): f32 {
  if (mantissa == 0 || exponent < powersFirst) return 0;
  if (exponent > powersLast) return Infinity;
  const shift = <i32>clz(mantissa);
  const entry = powersOfFive + (<usize>(exponent - powersFirst) << 4);
  multiply(mantissa << shift, load<u64>(entry));
  let high = productHigh;
  let low = productLow;
  // 26 bits decide: 24 of the float, one to round, one that the top bit may be 0. Only if all bits below
  // them are 1 can the low half of the power of five carry into them.
  if ((high & 0x3f_ffff_ffff) == 0x3f_ffff_ffff) {
    multiply(mantissa << shift, load<u64>(entry + 8));
    low += productHigh;
    if (low < productHigh) high++;
  }
  const top = <i32>(high >> 63);
  const spare = top + 38;
  let bits = high >> spare;
  // floor(log2(10^q)) = (217706 * q) >> 16 in this range.
  let power = ((217706 * exponent) >> 16) + 63 + top - shift + 127;
  if (power <= 0) {
    // Below the normal floats: shift out, round. No decimal of 19 digits is a tie there.
    if (1 - power >= 64) return 0;
    bits >>= 1 - power;
    bits = (bits + (bits & 1)) >> 1;
    return reinterpret<f32>(<u32>bits);
  }
  // An exact tie (only possible for small powers) goes to even, so down here.
  if (low <= 1 && exponent >= -17 && exponent <= 10 && (bits & 3) == 1 && bits << spare == high) {
    bits &= ~1;
  }
  bits = (bits + (bits & 1)) >> 1;
  if (bits >= 0x100_0000) {
    bits = 0x80_0000;
    power++;
  }
  if (power >= 255) return Infinity;
  return reinterpret<f32>((<u32>power << 23) | (<u32>bits & 0x7f_ffff));
}

/** The 128 bits of x * y. */
function multiply(x: u64, y: u64): void {
  const xl = x & 0xffff_ffff;
  const xh = x >> 32;
  const yl = y & 0xffff_ffff;
  const yh = y >> 32;
  const ll = xl * yl;
  const hl = xh * yl + (ll >> 32);
  const lh = xl * yh + (hl & 0xffff_ffff);
  productLow = (lh << 32) | (ll & 0xffff_ffff);
  productHigh = xh * yh + (hl >> 32) + (lh >> 32);
}
