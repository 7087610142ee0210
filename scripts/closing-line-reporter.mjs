/** Ends the test run with one plain line, "N passed, N failed, N skipped", that any CI can read. */
export class ClosingLineReporter {
  onTestRunEnd(modules) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      if (module.state() === "failed" && [...module.children.allTests()].length === 0)
        counts.failed++;
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        if (state in counts) counts[state]++;
      }
    }
    process.on("exit", () => {
      console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    });
  }
}
// Vitest loads a custom reporter by its default export.
// biome-ignore lint/style/noDefaultExport: required by vitest
export default ClosingLineReporter;
