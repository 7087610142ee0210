/**
 * Sixteen-bit floats: f16 (IEEE binary16: 5 bits of exponent, 10 of fraction) and bf16 (the upper half of
 * an f32: 8 and 7). Both round to nearest, ties to even.
 *
 * Invariant: every 16-bit pattern that is no NaN comes back from its value.
 * Invariant: rounding errs by at most half a unit in the last place.
 */

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The bits of an f32 as bf16. */
export function toBfloat16(value: number): number {
  float[0] = value;
  const bits = word[0]!;
  if ((bits & 0x7fff_ffff) > 0x7f80_0000) return 0x7fc0;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The value of bf16 bits. */
export function fromBfloat16(bits: number): number {
  word[0] = bits << 16;
  return float[0]!;
}

/** The bits of a value as f16; beyond 65,504 infinity. */
export function toHalf(value: number): number {
  float[0] = value;
  const bits = word[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return 0x7e00;
  // Half a unit beyond the largest rounds up to infinity.
  if (magnitude >= 0x477f_f000) return sign | 0x7c00;
  if (magnitude < 0x3880_0000) return sign | roundEven(Math.abs(float[0]!) * 2 ** 24);
  const rebased = magnitude - 0x3800_0000;
  return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
}

/** The value of f16 bits. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor;
  return floor % 2 === 0 ? floor : floor + 1;
}
