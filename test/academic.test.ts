/** The academic version in the README is under 50 lines, runs, and is what the real strategy does. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { costs } from "../src/engines/simulator/costs.ts";
import { runSimulation } from "../src/engines/simulator/simulator.ts";
import { quadraticTask } from "../src/learner/quadratic.ts";
import { createReplica } from "../src/math/replica.ts";
import { dPsgd } from "../src/strategies/d-psgd.ts";
import { strategyOptions } from "../src/strategies/strategy.ts";

type Academic = (given: {
  workers: number;
  width: number;
  rounds: number;
  rate: number;
  gradient: (rank: number, own: Float32Array) => Float32Array;
}) => Float32Array;

function codeOf(path: string): string {
  const text = readFileSync(new URL(path, import.meta.url), "utf8");
  const blocks = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code!);
  return blocks.find((code) => code.includes("export function decentralisedSgd"))!;
}

test("the academic version has under 50 lines", () => {
  expect(codeOf("../README.md").split("\n").length).toBeLessThan(50);
});

test.each([2, 3, 8])(
  "with %i workers the academic version gives d-psgd's weights within 1e-5",
  async (workers) => {
    const code = codeOf("../README.md");
    const module = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
      decentralisedSgd: Academic;
    };
    const [width, rounds, rate] = [8, 40, 0.05];
    const task = quadraticTask({ workers, width, rowsPerWorker: rounds, rate });
    const gradient = (rank: number, own: Float32Array) => {
      const replica = createReplica(width);
      replica.setWeights(own, 0);
      const learner = task.createLearner({ rank, workers, seed: 1 });
      const span = { epoch: 0, from: 0, to: 1 };
      const { delta } = learner.learn(replica, span, { mode: "local", stride: 1 });
      return (delta as Float32Array).map((x) => -x / rate);
    };
    const academic = module.decentralisedSgd({ workers, width, rounds, rate, gradient });
    const real = runSimulation({
      ...{ strategy: dPsgd, options: strategyOptions({ topology: "ring" }), task, workers },
      ...{ seed: 1, epochs: 1, costs: costs() },
    });
    for (let k = 0; k < width; k++) {
      expect(Math.abs(academic[k]! - real.model.values[k]!)).toBeLessThan(1e-5);
    }
  },
);
