import { costs } from "../../src/engines/simulator/costs.ts";
import { underFaults } from "../../src/engines/simulator/fault-plan.ts";
import { runSimulation } from "../../src/engines/simulator/simulator.ts";
import { loadStrategy } from "../../src/engines/strategy-source.ts";
import { createTask } from "../../src/engines/task-spec.ts";
import { describeEngine } from "./suite.ts";

describeEngine("simulator", async (run) => {
  const { faults, ...rest } = run;
  const plan = {
    ...rest,
    strategy: await loadStrategy(run.strategy),
    task: createTask(run.task),
    costs: costs({
      learnSecondsPerRow: 1e-4,
      latencySpread: { kind: "exponential" },
      learnSpread: { kind: "exponential" },
    }),
  };
  const asked = faults ? { faults: { faults, beatSeconds: null } } : {};
  return runSimulation({ ...plan, ...underFaults(asked, plan) });
});
