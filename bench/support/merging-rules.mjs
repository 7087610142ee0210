/**
 * Rules by which concurrent updates merge, for the study of docs/merging.md. c: rows of one update that have a
 * coordinate, n: workers, so N = n*c rows that have it are learned at the same time.
 */
import { strideCounted } from "../../dist/math/anticipation.js";

const one = () => 1;
const all = (n) => n;
const counted = (_n, sigma, shares) => strideCounted(shares, sigma);
const half = (c, k) => c / (c + k);

/** Own steps count 1 + (n-1) * N/(N + k) times. */
const byAll = (k) => (c, n) => 1 + (n - 1) * half(n * c, k);
/** The same by the rows of one's own update. */
const byOwn = (k) => (c, n) => 1 + (n - 1) * half(c, k);

export const rules = {
  sum: { stride: all },
  mean: { stride: one, mean: true },
  anticipate: { stride: counted, sigma: byAll(200) },
  "k 50": { stride: counted, sigma: byAll(50) },
  "k 800": { stride: counted, sigma: byAll(800) },
  "T by 1": { stride: one, sigma: byAll(200) },
  "T by n": { stride: all, sigma: byAll(200) },
  "own 1": { stride: all, sigma: byOwn(1) },
  "own 3": { stride: all, sigma: byOwn(3) },
  "own 10": { stride: all, sigma: byOwn(10) },
  "own 30": { stride: all, sigma: byOwn(30) },
  sqrt: { stride: counted, sigma: (c, n) => 1 + (n - 1) * Math.sqrt(half(n * c, 200)) },
  "sigma n": { stride: all, sigma: (_c, n) => n },
  "sigma n/2": { stride: all, sigma: (_c, n) => Math.max(1, n / 2) },
  "mean first": { stride: all, meanFirst: true },
  "mean, momentum 0.9": { stride: one, mean: true, momentum: 0.9 },
  "sum, momentum 0.5": { stride: all, momentum: 0.5, outer: 0.5 },
  "anticipate, momentum 0.3": { stride: counted, sigma: byAll(200), momentum: 0.3, outer: 0.7 },
};

/** What every data set is tried with. */
export const mainRules = ["sum", "mean", "anticipate", "T by 1", "own 3", "sigma n"];
