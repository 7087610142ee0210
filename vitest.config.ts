import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // Many tests start processes and threads of their own; two files at a time fill this machine.
    maxWorkers: 2,
    // No test is late: these end those that hang, on a machine that is ten times as busy as the author's too.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    reporters: ["default", "./scripts/closing-line-reporter.mjs"],
  },
});
