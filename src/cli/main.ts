#!/usr/bin/env node
/**
 * Where the process starts. Everything else is loaded when it is known to be needed: asking for the
 * version loads nothing at all.
 */
import { version } from "../version.ts";

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
  process.stdout.write(`${version}\n`);
} else {
  const { runProgram } = await import("./program.ts");
  await leave(await runProgram(args));
}

/** Leaves once all output is out, whatever threads or sockets are still open. */
async function leave(code: number): Promise<never> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((done) => {
      if (stream.destroyed || stream.writableNeedDrain === undefined) done();
      else stream.write("", () => done());
    });
  }
  process.exit(code);
}
