import { expect, test } from "vitest";
import { constantSchedule, inverseScalingSchedule } from "../model/schedule.ts";
import { loadDataset } from "./load.ts";
import { refuseDecay, refuseDecayed } from "./scale-limit.ts";
import { train } from "./train.ts";

test("a run whose replicas would overflow is refused with words, before it learns", async () => {
  const data = await loadDataset("synthetic:news:rows=2000");
  const options = { l2: 0.01, step: "constant:eta0=0.5", workers: 2, validation: 0 } as const;
  const run = train(data, { ...options, strategy: "bsp", stop: "epochs:10" });
  await expect(run.result).rejects.toThrow(/decay to e\^-100 .* --step optimal, fewer epochs/);
  const short = await train(data, { ...options, strategy: "bsp", stop: "epochs:2" }).result;
  expect(short.status).toBe("done");
  const serial = await train(data, { ...options, workers: 1, stop: "epochs:10" }).result;
  expect(serial.status).toBe("done");
}, 60_000);

test("the limit is reached after as many rows as the schedule says", () => {
  const schedule = constantSchedule({ l2: 1e-4, eta0: 0.35 });
  expect(() => refuseDecay(schedule, 1.7e6, "asp")).not.toThrow();
  expect(() => refuseDecay(schedule, 1.8e6, "asp")).toThrow(/strategy asp/);
  // Without a closed form it is watched while the run goes on, not summed up beforehand.
  const falling = inverseScalingSchedule({ l2: 1e-2, eta0: 0.5, power: 0.1 });
  expect(() => refuseDecay(falling, 1e5, "asp")).not.toThrow();
  expect(() => refuseDecayed(falling, 1e5, "asp")).toThrow(/inverse-scaling/);
});
