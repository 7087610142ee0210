import type { BlockArena } from "./parser.ts";

/** One place in an arena that block after block is parsed into: streaming needs no more memory than that. */
export interface Slot extends BlockArena {
  /** Gives the place back. */
  close(): void;
}

/** Room is given out with a quarter to spare, so that the next block, seldom of the same size, fits too. */
export function openSlot(arena: BlockArena): Slot {
  let place = { address: 0, byteLength: 0 };
  function close(): void {
    if (place.byteLength > 0) arena.release(place.address, place.byteLength);
    place = { address: 0, byteLength: 0 };
  }
  return {
    get buffer() {
      return arena.buffer;
    },
    allocate(byteLength) {
      if (byteLength > place.byteLength) {
        close();
        const roomy = Math.ceil(byteLength * 1.25);
        place = { address: arena.allocate(roomy), byteLength: roomy };
      }
      return place.address;
    },
    release() {},
    close,
  };
}
