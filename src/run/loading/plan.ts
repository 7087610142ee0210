import { syntheticPrefix } from "../../data/synthetic.ts";
import { type FileFacts, isRegular, lookAt } from "./open.ts";
import type { Reading } from "./read.ts";

/** Plain files that follow each other are read together, by several threads; all else alone. */
export type ReadingStep =
  | { readonly kind: "together"; readonly files: readonly FileFacts[] }
  | { readonly kind: "alone"; readonly name: string };

export interface ReadingPlan {
  readonly steps: readonly ReadingStep[];
  /** Adds bytes that were read to those of the whole data set, and tells who asked for it. */
  readonly progress: (bytes: number) => void;
}

/** Below this, starting a thread costs more than it saves. */
const togetherBytesMin = 16 * 2 ** 20;

/** @throws InputError when a file cannot be opened. */
export async function planReading(
  names: readonly string[],
  { threads, options }: Pick<Reading, "threads" | "options">,
): Promise<ReadingPlan> {
  const steps: ReadingStep[] = [];
  let group: FileFacts[] = [];
  let total: number | undefined = 0;
  function closeGroup(): void {
    const bytes = group.reduce((sum, { stats }) => sum + stats.size, 0);
    if (threads > 1 && bytes >= togetherBytesMin) steps.push({ kind: "together", files: group });
    else steps.push(...group.map(({ name }) => ({ kind: "alone" as const, name })));
    group = [];
  }
  for (const name of names) {
    const made = name.startsWith(syntheticPrefix);
    const stream = name === "-" || (!made && !(await isRegular(name)));
    const facts = made || stream ? undefined : await lookAt(name);
    if (stream) total = undefined;
    if (total !== undefined) total += facts?.stats.size ?? 0;
    if (facts?.compression === "none") {
      group.push(facts);
    } else {
      closeGroup();
      steps.push({ kind: "alone", name });
    }
  }
  closeGroup();
  let done = 0;
  return {
    steps,
    progress(bytes) {
      done += bytes;
      options.onProgress?.(done, total);
    },
  };
}
