import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { diameter, eccentricity, mix, mixingRow } from "./mixing.ts";
import { spectralGap } from "./spectrum.ts";
import { type TopologyName, topologyNames, topologyOf, torusShape } from "./topology.ts";

const anyTopology = fc.constantFrom(...topologyNames);
const anySize = fc.integer({ min: 1, max: 40 });

/** A size that the topology accepts: powers of two for the hypercube. */
function sizeFor(name: TopologyName, n: number): number {
  return name === "hypercube" ? 2 ** Math.floor(Math.log2(n)) : n;
}

/** The slow twin: the whole matrix from its definition. */
function matrixByDefinition(name: TopologyName, n: number): number[][] {
  const topology = topologyOf(name);
  const joined = (i: number, j: number) => topology.neighbours(i, n).includes(j);
  const degree = (i: number) =>
    Array.from({ length: n }, (_, j) => joined(i, j)).filter(Boolean).length;
  const matrix = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) =>
      i !== j && joined(i, j) ? 1 / (1 + Math.max(degree(i), degree(j))) : 0,
    ),
  );
  for (let i = 0; i < n; i++) matrix[i]![i] = 1 - matrix[i]!.reduce((a, b) => a + b, 0);
  return matrix;
}

function matrixOfRows(name: TopologyName, n: number): number[][] {
  return Array.from({ length: n }, (_, i) => {
    const { ranks, weights } = mixingRow(topologyOf(name), i, n);
    const row = new Array<number>(n).fill(0);
    ranks.forEach((rank, k) => {
      row[rank] = weights[k]!;
    });
    return row;
  });
}

describe("topologies", () => {
  test("neighbourhood is symmetric, and nobody is its own neighbour", () => {
    fc.assert(
      fc.property(anyTopology, anySize, (name, size) => {
        const n = sizeFor(name, size);
        const { neighbours } = topologyOf(name);
        for (let i = 0; i < n; i++) {
          const near = neighbours(i, n);
          expect(near).not.toContain(i);
          expect(near).toEqual([...new Set(near)].sort((a, b) => a - b));
          for (const j of near) expect(neighbours(j, n)).toContain(i);
        }
      }),
    );
  });

  test("every topology is connected", () => {
    fc.assert(
      fc.property(anyTopology, anySize, (name, size) => {
        const n = sizeFor(name, size);
        expect(eccentricity(topologyOf(name), 0, n)).toBeLessThan(Infinity);
      }),
    );
  });

  test("the hypercube refuses what is no power of two", () => {
    expect(topologyOf("hypercube").refuses(6)).toMatch(/power of two: current value is 6/);
    expect(topologyOf("hypercube").refuses(8)).toBeNull();
  });

  test("the torus takes the most nearly square factorisation", () => {
    expect(torusShape(12)).toEqual({ rows: 3, columns: 4 });
    expect(torusShape(7)).toEqual({ rows: 1, columns: 7 });
    expect(topologyOf("torus").neighbours(0, 12)).toEqual([1, 3, 4, 8]);
  });

  test("diameters: ring n/2, exponential and hypercube at most log n", () => {
    expect(diameter(topologyOf("ring"), 32)).toBe(16);
    expect(diameter(topologyOf("hypercube"), 32)).toBe(5);
    expect(diameter(topologyOf("exponential"), 32)).toBeLessThanOrEqual(5);
  });
});

describe("mixing weights", () => {
  test("the mixing matrix equals its definition within 1e-15", () => {
    fc.assert(
      fc.property(anyTopology, anySize, (name, size) => {
        const n = sizeFor(name, size);
        const [fast, slow] = [matrixOfRows(name, n), matrixByDefinition(name, n)];
        for (let i = 0; i < n; i++) {
          for (let j = 0; j < n; j++) {
            expect(Math.abs(fast[i]![j]! - slow[i]![j]!)).toBeLessThan(1e-15);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test("W is symmetric and doubly stochastic, with no negative weight", () => {
    fc.assert(
      fc.property(anyTopology, anySize, (name, size) => {
        const n = sizeFor(name, size);
        const matrix = matrixOfRows(name, n);
        for (let i = 0; i < n; i++) {
          const column = matrix.reduce((sum, row) => sum + row[i]!, 0);
          expect(Math.abs(column - 1)).toBeLessThan(1e-13);
          for (let j = 0; j < n; j++) {
            expect(matrix[i]![j]!).toBeGreaterThanOrEqual(-1e-15);
            expect(Math.abs(matrix[i]![j]! - matrix[j]![i]!)).toBeLessThan(1e-13);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test("averaging leaves the mean of the replicas unchanged", () => {
    const value = fc.float({ min: -4, max: 4, noNaN: true });
    const values = fc.array(value, { minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(anyTopology, values, (name, start) => {
        const n = start.length;
        const vectors = start.map((x) => Float32Array.of(x));
        const mixed = vectors.map((_, i) => {
          const { ranks, weights } = mixingRow(topologyOf(name), i, n);
          return mix(
            ranks.map((rank) => vectors[rank]!),
            weights,
          );
        });
        const mean = (all: readonly Float32Array[]) => all.reduce((s, [x]) => s + x!, 0) / n;
        expect(Math.abs(mean(mixed) - mean(vectors))).toBeLessThan(4 * 2 ** -23);
      }),
    );
  });
});

describe("spectral gap", () => {
  test("ring: 1 - lambda_2 = (2/3) * (1 - cos(2 pi / n)), within 1e-6 of it", () => {
    for (const n of [4, 16, 64, 256]) {
      const exact = (2 / 3) * (1 - Math.cos((2 * Math.PI) / n));
      expect(spectralGap(topologyOf("ring"), n) / exact).toBeCloseTo(1, 4);
    }
  });

  test("complete mixes at once: gap 1", () => {
    expect(spectralGap(topologyOf("complete"), 12)).toBeCloseTo(1, 9);
  });

  test("the gap equals the rate at which power iteration forgets", () => {
    for (const name of ["torus", "tree", "star", "exponential", "hypercube"] as const) {
      const n = 16;
      const matrix = matrixByDefinition(name, n);
      let vector = Array.from({ length: n }, (_, i) => Math.sin(i * i + 1));
      let ratio = 0;
      for (let k = 0; k < 4000; k++) {
        const mean = vector.reduce((a, b) => a + b, 0) / n;
        const centred = vector.map((x) => x - mean);
        const before = Math.hypot(...centred);
        const next = matrix.map((row) => row.reduce((s, w, j) => s + w * centred[j]!, 0));
        ratio = Math.hypot(...next) / before;
        vector = next.map((x) => x / Math.hypot(...next));
      }
      expect(spectralGap(topologyOf(name), n)).toBeCloseTo(1 - ratio, 5);
    }
  });
});
