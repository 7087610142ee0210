/** The table of the kernels. */
export function kernelTable({ epochs, parses }) {
  const epochRows = epochs.map(({ title, glissade, c, ratio, slow, evaluate, nonZeros }) => {
    const rate = (nonZeros / glissade / 1e6).toFixed(0);
    const times = [glissade, c, slow, evaluate].map((time) => (1000 * time).toFixed(1));
    return `| ${[title, ...times, rate, ratio.toFixed(2)].join(" | ")} |`;
  });
  const parseRows = parses.map(({ title, glissade, c, slow, ratio }) => {
    const speeds = [glissade, c, slow].map((speed) => speed.toFixed(3));
    return `| ${[title, ...speeds, ratio.toFixed(1)].join(" | ")} |`;
  });
  return [
    "### Kernels, one thread",
    "",
    "| one epoch of SGD | kernel ms | C ms | slow twin ms | judging ms | M terms/s | kernel / C |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...epochRows,
    "",
    "| text to block | kernel GB/s | C reader GB/s | slow twin GB/s | kernel / C |",
    "| --- | --- | --- | --- | --- |",
    ...parseRows,
    "",
  ].join("\n");
}
