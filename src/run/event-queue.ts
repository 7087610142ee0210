/** The stream of a run: events are kept from the start, so that any number of readers see all of them. */
import { eventsVersion, type RunEvent, type RunEventBody } from "./events.ts";

export interface EventLog extends AsyncIterable<RunEvent> {
  emit(body: RunEventBody): void;
  /** No more events: readers end after the last. */
  close(): void;
  readonly seconds: number;
}

export function createEventLog(now: () => number): EventLog {
  const start = now();
  const events: RunEvent[] = [];
  let waiting: (() => void)[] = [];
  let closed = false;
  const wake = () => {
    for (const resume of waiting) resume();
    waiting = [];
  };
  return {
    get seconds() {
      return now() - start;
    },
    emit(body) {
      events.push({ v: eventsVersion, time: now() - start, ...body });
      wake();
    },
    close() {
      closed = true;
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (let next = 0; ; ) {
        while (next < events.length) yield events[next++]!;
        if (closed) return;
        await new Promise<void>((resume) => waiting.push(resume));
      }
    },
  };
}
