/** Tasks as plain data, so that another thread or process can make the same one. */
import { createKernelTask, type KernelTaskSpec } from "../learner/kernel-task.ts";
import type { Task } from "../learner/learner.ts";
import { ledgerTask } from "../learner/ledger-task.ts";
import { type QuadraticOptions, quadraticTask } from "../learner/quadratic.ts";

/** A description of a task; memory in it is shared, never copied. */
export type TaskSpec =
  | { readonly kind: "rows"; readonly spec: KernelTaskSpec }
  | { readonly kind: "quadratic"; readonly spec: Partial<QuadraticOptions> }
  | { readonly kind: "ledger"; readonly spec: Parameters<typeof ledgerTask>[0] };

/** Makes the task that a description describes. */
export function createTask(described: TaskSpec): Task {
  switch (described.kind) {
    case "rows":
      return createKernelTask(described.spec);
    case "quadratic":
      return quadraticTask(described.spec);
    case "ledger":
      return ledgerTask(described.spec);
    default:
      return described satisfies never;
  }
}
