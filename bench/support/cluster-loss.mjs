export async function benchLoss() {
  return [];
}
