#!/usr/bin/env node
/**
 * Fuzzes every decoder. Prints its seed; `--seed S --input N` makes input N of that seed again, alone.
 *
 *   npm run fuzz -- --inputs 1e8 --seed 7       some hours
 *   npm run fuzz -- --inputs 1e8 --seed 7 --from 3e6    the same from input 3e6 on, where it was interrupted
 *   npm run fuzz -- --seed 7 --input 123456     one input again, with its error
 */
import { parseArgs } from "node:util";
import { chanceOf, mutate } from "./support/fuzz-mutate.mjs";
import { targets as all, isRefusal, planted } from "./support/fuzz-targets.mjs";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1e6" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    from: { type: "string", default: "0" },
    input: { type: "string" },
    only: { type: "string" },
    plant: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
const inputs = Number(values.inputs);
const from = Number(values.from);
/** An input that takes more of the processor is a finding: decoders must not be led into long work by short bytes. */
const inputMsMax = 5_000;
/** What all inputs together may leave behind. */
const leftMiBMax = 512;

const targets = all
  .concat(values.plant ? [planted] : [])
  .filter(({ name }) => values.only === undefined || name === values.only);
const whole = targets.reduce((sum, { share }) => sum + share, 0);
const counts = new Map(targets.map(({ name }) => [name, { inputs: 0, refused: 0 }]));
let found = 0;

// An error is told with its stack when its input is made again, alone: stacks take a third of the time.
if (values.input === undefined) Error.stackTraceLimit = 0;

async function runInput(number) {
  const chance = chanceOf(seed, number);
  const target = targetFor(chance);
  const bytes = mutate(chance, target.seeds, target.words);
  const count = counts.get(target.name);
  count.inputs++;
  try {
    const answer = target.run(bytes, chance);
    if (answer instanceof Promise) await answer;
  } catch (error) {
    if (isRefusal(error)) count.refused++;
    else report(number, target.name, bytes, error);
  }
}

function targetFor(chance) {
  let rest = (chance.next() / 2 ** 32) * whole;
  return targets.find(({ share }) => (rest -= share) < 0) ?? targets[0];
}

function report(number, name, bytes, error) {
  found++;
  const shown = Buffer.from(bytes.subarray(0, 200)).toString("hex");
  console.log(`FOUND in ${name}: ${error?.stack ?? error}\n  input ${shown}`);
  console.log(
    `  again: npm run fuzz -- --seed ${seed} --input ${number}${values.plant ? " --plant" : ""}`,
  );
}

console.log(
  `seed ${seed}, ${values.input === undefined ? `${inputs} inputs` : `input ${values.input}`}`,
);
if (values.input !== undefined) await runInput(Number(values.input));
else await runAll();

async function runAll() {
  const began = performance.now();
  // Not by the clock: a run at low priority may stand still for seconds.
  const processorMs = () => process.cpuUsage().user / 1e3;
  let last = processorMs();
  for (let number = from; number < inputs && found < 20; number++) {
    const running = runInput(number);
    if (number % 256 === 0) {
      await running;
      const now = processorMs();
      if (now - last > inputMsMax) {
        console.log(
          `FOUND: inputs ${number - 256} to ${number} took ${(now - last).toFixed(0)} ms`,
        );
        found++;
      }
      last = now;
    }
    if (number % 1e6 === 0 && number > from) console.log(`${number} inputs, ${memoryMiB()} MiB`);
  }
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage();
  for (const [name, { inputs: count, refused }] of counts) {
    console.log(`  ${name}: ${count} inputs, ${refused} refused by an error`);
  }
  console.log(
    `${found} found, ${seconds.toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of processor, ${memoryMiB()} MiB`,
  );
  if (memoryMiB() > leftMiBMax) found++;
}

function memoryMiB() {
  return Math.round(process.memoryUsage().rss / 2 ** 20);
}

process.exitCode = found > 0 ? 1 : 0;
