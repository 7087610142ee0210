// Rows that are already in memory: as objects, or as the typed arrays of a CSR matrix.
import { loadDataset, Model, train } from "glissade";

const rows = [
  { label: 1, index: [1, 3], value: [1, 0.5] },
  { label: -1, index: [2, 3], value: [1, 0.5] },
  { label: 1, index: [1], value: [0.7] },
  { label: -1, index: [2], value: [0.9] },
];
const fromRows = await loadDataset(rows);

const fromArrays = await loadDataset({
  rowStart: Uint32Array.of(0, 2, 4, 5, 6),
  index: Uint32Array.of(1, 3, 2, 3, 1, 2),
  value: Float32Array.of(1, 0.5, 1, 0.5, 0.7, 0.9),
  label: Float32Array.of(1, -1, 1, -1),
});

for (const dataset of [fromRows, fromArrays]) {
  const model = new Model(await train(dataset, { validation: 0, l2: 0.01 }).model);
  const predictions = model.predict(rows);
  if (!rows.every(({ label }, k) => Math.sign(predictions[k]) === label)) throw new Error("wrong");
  console.log(`predictions ${[...predictions].map((p) => p.toFixed(2)).join(", ")}`);
}
