/**
 * Frees the memory of frames soon after they were sent or read.
 *
 * A frame is copied some times on its way through HTTP/2 and gRPC, each time into memory that V8 counts but does not
 * hold in its heap. Objects are so few beside it that its quick collections of young objects come too seldom:
 * that memory reaches the limit at which the whole heap is marked, about once in 16 rounds of the twin, for
 * 10 ms and more each time. Collecting young objects after so many bytes of frames costs a millisecond or two, and
 * there is nothing left to mark for (docs/decisions.md, "Garbage of frames").
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** With all copies of them several times as much. */
const frameBytesMax = 1 << 20;

type Collect = (options: { readonly type: "minor" }) => void;

/** Node gives the function only to a context that is made after the flag was set. */
const collectYoung = (() => {
  setFlagsFromString("--expose-gc");
  const found: Collect | undefined = runInNewContext("globalThis.gc");
  setFlagsFromString("--no-expose-gc");
  return () => found?.({ type: "minor" });
})();

/**
 * Counts bytes of frames; collects after what is about to be done, once there were many. Frames are counted before they
 * are acted upon, and immediates are first in, first out: only an immediate of the next turn comes after the learning
 * that the frame leads to, and after what that sends.
 */
export function createYoungGarbage(collect = collectYoung): (frameBytes: number) => void {
  let bytes = 0;
  return (frameBytes) => {
    bytes += frameBytes;
    if (bytes < frameBytesMax) return;
    bytes = 0;
    setImmediate(() => setImmediate(collect));
  };
}
