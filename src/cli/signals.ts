/**
 * SIGINT, SIGTERM, SIGHUP: the first asks to stop learning, save and leave within the grace time; the
 * second leaves at once. Holds in every phase of a command.
 */
import { exitCode } from "./command.ts";

const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type SignalName = (typeof names)[number];

/** Owns the process's signal handlers until it is disposed. */
export class Signals {
  readonly #abort = new AbortController();
  readonly #graceSeconds: number;
  readonly #onFirst: (name: SignalName) => void;
  #received: SignalName | null = null;
  #deadline: NodeJS.Timeout | undefined;

  constructor(options: { graceSeconds: number; onFirst: (name: SignalName) => void }) {
    this.#graceSeconds = options.graceSeconds;
    this.#onFirst = options.onFirst;
    for (const name of names) process.on(name, this.#receive);
  }

  /** Aborted at the first signal. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** What was received first, or null. */
  get received(): SignalName | null {
    return this.#received;
  }

  /** 130 for ctrl-C, 143 for SIGTERM; a closed terminal (SIGHUP) asks for the same as SIGTERM. */
  get exitCode(): number {
    return this.#received === "SIGINT" ? exitCode.interrupted : exitCode.terminated;
  }

  /** The work's outcome, or a rejection at the first signal: standard input may never say another word. */
  async race<Value>(work: Promise<Value>): Promise<Value> {
    work.catch(() => {});
    this.signal.throwIfAborted();
    return Promise.race([
      work,
      new Promise<never>((_, reject) => {
        this.signal.addEventListener("abort", () => reject(this.signal.reason), { once: true });
      }),
    ]);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#deadline);
    for (const name of names) process.off(name, this.#receive);
  }

  #receive = (name: SignalName): void => {
    if (this.#received !== null) process.exit(this.exitCode);
    this.#received = name;
    this.#deadline = setTimeout(() => process.exit(this.exitCode), 1000 * this.#graceSeconds);
    this.#deadline.unref();
    this.#onFirst(name);
    this.#abort.abort(new Error(`${name} received`));
  };
}
