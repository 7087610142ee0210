/** What thinning saves on real rows: 16 simulated workers send a tenth of the bytes and learn as well as one. */
import { expect, test } from "vitest";
import { type ComparisonRow, compareStrategies } from "../src/run/compare.ts";
import { loadDataset } from "../src/run/load.ts";
import type { TrainOptions } from "../src/run/settings.ts";
import { sharedData } from "./support-data.ts";

test("peer-to-peer with 16 workers keeps serial accuracy, within 0.3 points, at a tenth of the bytes with tolerance and f16", {}, async () => {
  const dataset = await loadDataset(sharedData("rcv1v2-subset/rcv1v2_ccat_train.svm.gz"));
  const row = async (strategy: string, settings: TrainOptions): Promise<ComparisonRow> => {
    const question = {
      ...{ strategies: [strategy], workers: [16] },
      settings: { l2: 1e-4, stop: "epochs:5", validation: 0.2, merge: "sum", ...settings } as const,
    };
    for await (const one of compareStrategies(dataset, question)) return one;
    throw new Error("no row");
  };
  const serial = await row("serial", {});
  const whole = await row("peer-to-peer", { rowsPerUpdate: 32 });
  const thin = { rowsPerUpdate: 64, values: "f16", tolerance: 0.5 } as const;
  const tenth = await row("peer-to-peer", thin);
  expect(whole.error ?? tenth.error).toBeNull();
  expect(tenth.bytes / whole.bytes).toBeLessThan(0.1);
  expect(serial.accuracy - tenth.accuracy).toBeLessThan(0.003);
  expect(tenth.loss / serial.loss - 1).toBeLessThan(0.01);
});
