import { setImmediate } from "node:timers/promises";

/** Learning gives way to signals and other work at least this often, where its slices allow. */
const breathSeconds = 0.02;

/** Waits for the event loop when the last time is long enough ago; call it between slices of work. */
export type Breathe = () => Promise<void>;

export function createBreathe(): Breathe {
  let last = performance.now();
  return async () => {
    if (performance.now() - last <= 1000 * breathSeconds) return;
    await setImmediate();
    last = performance.now();
  };
}
