/** The slow twin of assembly/number.ts: decimal text to the nearest f32 by exact whole numbers. */

export type NumberStatus = "ok" | "bad" | "not-finite" | "too-large";

export interface ScannedNumber {
  readonly status: NumberStatus;
  readonly value: number;
  /** Where the number ended in the line. */
  readonly end: number;
}

const pattern = /([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))([eE][+-]?(\d*))?/y;
const notFinite = /[+-]?(?:inf|nan)/iy;
const digitsMax = 19;

/** Scans the number that starts at `at` of a line. */
export function scanNumber(line: string, at: number): ScannedNumber {
  pattern.lastIndex = at;
  const match = pattern.exec(line);
  if (!match) {
    notFinite.lastIndex = at;
    return { status: notFinite.test(line) ? "not-finite" : "bad", value: 0, end: at };
  }
  const [all, sign, whole = "", fraction = match[4] ?? ""] = match;
  const end = at + all.length;
  if (match[6] === "") return { status: "bad", value: 0, end };
  const exponent = Number(match[5]?.slice(1) ?? 0);
  const significant = (whole + fraction).replace(/^0+/, "");
  const kept = significant.slice(0, digitsMax);
  const dropped = significant.length - kept.length;
  const size = toFloat(BigInt(kept || "0"), exponent - fraction.length + dropped);
  const status = size === Number.POSITIVE_INFINITY ? "too-large" : "ok";
  return { status, value: sign === "-" ? -size : size, end };
}

/** mantissa * 10^exponent, rounded once to the nearest f32, ties to even. */
export function toFloat(mantissa: bigint, exponent: number): number {
  if (mantissa === 0n || exponent < -100) return 0;
  if (exponent > 100) return Number.POSITIVE_INFINITY;
  const numerator = mantissa * 10n ** BigInt(Math.max(exponent, 0));
  const denominator = 10n ** BigInt(Math.max(-exponent, 0));
  const leastPower = -149;
  let power = Math.max(bitLength(numerator) - bitLength(denominator) - 24, leastPower);
  let rounded = divideRounding(numerator, denominator, power);
  if (rounded >= 2n ** 24n) rounded = divideRounding(numerator, denominator, ++power);
  const value = Number(rounded) * 2 ** power;
  return value >= 2 ** 128 ? Number.POSITIVE_INFINITY : value;
}

/** numerator / (denominator * 2^power), to the nearest whole number, ties to even. */
function divideRounding(numerator: bigint, denominator: bigint, power: number): bigint {
  const above = power < 0 ? numerator << BigInt(-power) : numerator;
  const below = power < 0 ? denominator : denominator << BigInt(power);
  const quotient = above / below;
  const twice = 2n * (above % below);
  const up = twice > below || (twice === below && quotient % 2n === 1n);
  return up ? quotient + 1n : quotient;
}

function bitLength(x: bigint): number {
  return x.toString(2).length;
}
