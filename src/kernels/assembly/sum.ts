export function sumF32(values: usize, count: u32): f64 {
  let total: f64 = 0;
  for (let i: u32 = 0; i < count; i++) total += <f64>load<f32>(values + (i << 2));
  return total;
}
