/** What threads on shared memory reach on real rows, and that runs repeat where they promise to. */
import { beforeAll, describe, expect, test } from "vitest";
import { type LoadedDataset, loadDataset } from "../src/run/load.ts";
import { train } from "../src/run/train.ts";
import { sharedData } from "./support-data.ts";

/** P* of the RCV1 subset, hinge, l2 1e-4: proved by primal and dual. */
const optimum = 0.1898013;
let rows: LoadedDataset;

beforeAll(async () => {
  rows = await loadDataset(sharedData("rcv1v2-subset/rcv1v2_ccat_train.svm.gz"));
});

async function learn(options: Parameters<typeof train>[1]) {
  const common = { l2: 1e-4, solver: "sgd", validation: 0, epochs: 5, average: "never" } as const;
  const run = train(rows, { ...common, ...options });
  const [result, model] = await Promise.all([run.result, run.model]);
  return { result, model, above: (100 * (result.train.objective! - optimum)) / optimum };
}

describe("five epochs of the RCV1 subset", () => {
  test.each([1, 2, 4])(
    "hogwild with %i threads ends within 1.6 % of the optimum",
    async (workers) => {
      const { above, result } = await learn({ strategy: "hogwild", workers });
      expect(above).toBeLessThan(1.6);
      expect(result.workers).toBe(workers);
      expect(result.collisions === null).toBe(workers === 1);
      // Known of these rows: the most non-zeros of a row, and the share of rows with the commonest feature.
      if (workers > 1) expect(result.collisions?.expected?.omega).toBe(618);
      if (workers > 1) expect(result.collisions?.expected?.delta).toBeCloseTo(0.442, 3);
      if (workers > 1) expect(result.collisions?.expected?.rho.low).toBeGreaterThan(0.999);
    },
  );

  test.each([
    ["round-robin", {}],
    ["hogwild", { lock: "vector" }],
    ["hogwild", { lock: "coordinates" }],
    ["hogwild", { decay: "touched" }],
    ["replicas", { merge: "sum", rowsPerUpdate: 100 }],
    ["replicas", {}],
  ] as const)("%s %j with two threads ends within 2 % of the optimum", async (strategy, more) => {
    const { above } = await learn({ strategy, workers: 2, ...more });
    expect(above).toBeLessThan(2);
  });

  test("replicas repeat bit for bit, and one replica is serial bit for bit", async () => {
    const weights = async (options: Parameters<typeof train>[1]) =>
      Buffer.from(new Uint8Array((await learn(options)).model.weights.slice().buffer));
    const [first, again, one, serial] = [
      await weights({ strategy: "replicas", workers: 3 }),
      await weights({ strategy: "replicas", workers: 3 }),
      await weights({ strategy: "replicas", workers: 1 }),
      await weights({ strategy: "serial" }),
    ];
    expect(again.equals(first)).toBe(true);
    expect(one.equals(serial)).toBe(true);
  });
});

test.each([
  [{ step: "adagrad" }, "Cannot use --step adagrad with strategy hogwild"],
  [{ learn: "gradient" }, "Cannot use --learn gradient with strategy hogwild"],
  [{ lock: "vector", decay: "touched" }, "Cannot use --decay touched with locks"],
] as const)("what threads cannot do is refused with words: %j", async (more, words) => {
  await expect(learn({ strategy: "hogwild", workers: 2, ...more })).rejects.toThrow(words);
});
