export async function benchChurn() {
  return [];
}
