/**
 * Traps: while a strategy is checked, every clock and source of chance of the platform is replaced by one
 * that remembers it was asked. What reads them is found whatever it does with the answer.
 */

const trapped: readonly { owner: object; name: string; label: string }[] = [
  { owner: Math, name: "random", label: "Math.random" },
  { owner: performance, name: "now", label: "performance.now" },
  { owner: process, name: "hrtime", label: "process.hrtime" },
  { owner: globalThis, name: "setTimeout", label: "setTimeout" },
  { owner: globalThis, name: "setInterval", label: "setInterval" },
  { owner: globalThis, name: "setImmediate", label: "setImmediate" },
  { owner: globalThis, name: "queueMicrotask", label: "queueMicrotask" },
  { owner: globalThis, name: "fetch", label: "fetch" },
];

/** Runs `body`, which must not wait; returns what it read, in words, or null. */
export function withoutClocks(body: () => void): string | null {
  let read: string | null = null;
  const tell = (label: string) => {
    read ??= `reads ${label}`;
  };
  const restore = [...trapped.map((trap) => setTrap(trap, tell)), trapDate(tell)];
  try {
    body();
  } finally {
    for (const undo of restore) undo();
  }
  return read;
}

function setTrap(
  { owner, name, label }: { owner: object; name: string; label: string },
  tell: (label: string) => void,
): () => void {
  const kept = Object.getOwnPropertyDescriptor(owner, name);
  const original = Reflect.get(owner, name) as (...args: unknown[]) => unknown;
  Object.defineProperty(owner, name, {
    configurable: true,
    writable: true,
    value: (...args: unknown[]) => {
      tell(label);
      return original.apply(owner, args);
    },
  });
  return () => {
    if (kept) Object.defineProperty(owner, name, kept);
    else Reflect.deleteProperty(owner, name);
  };
}

/** Date is both a function and a constructor; `new Date(0)` of a given time is no clock. */
function trapDate(tell: (label: string) => void): () => void {
  const original = globalThis.Date;
  globalThis.Date = new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      if (args.length === 0) tell("Date");
      return Reflect.construct(target, args, newTarget) as object;
    },
    apply(target, self, args: unknown[]) {
      tell("Date");
      return Reflect.apply(target as unknown as () => string, self, args as []);
    },
    get(target, name, receiver) {
      if (name === "now") tell("Date.now");
      return Reflect.get(target, name, receiver) as unknown;
    },
  });
  return () => {
    globalThis.Date = original;
  };
}
