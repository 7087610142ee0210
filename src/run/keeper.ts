/** Takes checkpoints of a run while it goes on: the state is copied at once, the disk is waited for later. */
import { FileError } from "./files.ts";
import type { RunPort } from "./learn-task.ts";
import type { Checkpointing, RunState } from "./run-state.ts";

export interface Keeper {
  /** Saves the state when it is time to; what is still being written is not waited for. */
  keep(state: () => RunState, moment: { readonly evaluated: boolean }): void;
  /** Saves the state now, and waits until it is on disk. */
  keepNow(state: RunState): Promise<void>;
  /** Waits for what is being written. */
  settled(): Promise<void>;
}

/** Keeps nothing without a place to keep it. */
export function createKeeper(checkpointing: Checkpointing | null, port: RunPort): Keeper {
  if (!checkpointing) return { keep() {}, keepNow: async () => {}, settled: async () => {} };
  const { everySeconds, save } = checkpointing;
  let last = port.seconds();
  let writing: Promise<void> | null = null;
  const begin = (state: RunState): Promise<void> => {
    const { rows } = state.solver.numbers;
    last = port.seconds();
    return save(state).then(
      (path) => port.emit({ kind: "checkpoint", path, rows: rows! }),
      (error) => port.emit(failed(error)),
    );
  };
  return {
    keep(state, { evaluated }) {
      const due = everySeconds === 0 ? evaluated : port.seconds() - last >= everySeconds;
      if (!due || writing) return;
      writing = begin(state()).finally(() => {
        writing = null;
      });
    },
    async keepNow(state) {
      await writing;
      await begin(state);
    },
    async settled() {
      await writing;
    },
  };
}

/** A full disk must not end a run that learns: the model may still find room elsewhere. */
function failed(error: unknown) {
  const message = error instanceof FileError ? error.message : String(error);
  return {
    kind: "fault",
    fault: "checkpoint-failed",
    rank: null,
    message,
    action: "learning goes on; the checkpoints before it are kept",
  } as const;
}
