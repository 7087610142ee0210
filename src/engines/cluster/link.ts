/**
 * A link: frames between two processes, each exactly once and in order for as long as both live, over one
 * stream at a time. Frames are numbered; what the other side has not acknowledged is kept, and sent again over
 * the next stream when one breaks. Small frames that wait together leave in one message.
 *
 * Invariant: every frame sent is received exactly once and in order, however often the stream breaks.
 */
import type { FramesMessage } from "./frames.ts";
import {
  acknowledgeMsMax,
  batchBytesMax,
  deafSecondsMax,
  linkBytesSoftMax,
  unacknowledgedBytesMax,
  unacknowledgedFramesMax,
} from "./limits.ts";
import { limitDefaults } from "./protection.ts";

/** Either side's end of an Exchange call. */
export interface FrameStream {
  write(message: FramesMessage): boolean;
  on(event: "data", listener: (message: FramesMessage) => void): unknown;
  on(event: "drain" | "end" | "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  end(): unknown;
  destroy(): unknown;
}

/** What a link tells its owner. */
export interface LinkEvents {
  frame(bytes: Uint8Array): void;
  /** What was too much has left: the member may learn again. */
  room(): void;
  /** The stream is gone; frames wait for another. */
  broken(reason: string): void;
  /** The link holds more than it may: the other side does not keep up. */
  overrun(reason: string): void;
  /** The other side does not keep to the rules: frames again, out of order, or never sent. */
  violated(reason: string): void;
}

const nothing = new Uint8Array();
/** Places of frames that were acknowledged, before the rest is moved up. */
const placesClearedMax = 4096;

/** Owns one stream at a time, until it is disposed. */
export class Link {
  readonly #events: LinkEvents;
  readonly #bytesMax: number;
  /**
   * From `#head` on, frames not acknowledged yet: from number `#acknowledged + 1` on; the first `#written` are on the
   * way. Places before are cleared, and given up many at a time.
   */
  #kept: Uint8Array[] = [];
  #head = 0;
  #keptBytes = 0;
  #acknowledged = 0;
  #written = 0;
  #received = 0;
  /** Number of the next frame on this stream; null before its first. */
  #expected: number | null = null;
  /** The last acknowledgement on this stream. */
  #heard = 0;
  #told = 0;
  #untoldBytes = 0;
  #stream: FrameStream | null = null;
  #blocked = false;
  #pumpSoon = false;
  #timer: NodeJS.Timeout | undefined;
  /** Runs while something sent over the stream is not answered. */
  #deaf: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param bytesMax that may wait to be acknowledged: the limit `buffered`. */
  constructor(events: LinkEvents, bytesMax = limitDefaults.buffered) {
    this.#events = events;
    this.#bytesMax = bytesMax;
  }

  get connected(): boolean {
    return this.#stream !== null;
  }

  /** Whether a member may make more frames for it. */
  get hasRoom(): boolean {
    return this.#keptBytes <= linkBytesSoftMax || this.frames <= 1;
  }

  /** Bytes queued or not yet acknowledged. */
  get bytes(): number {
    return this.#keptBytes;
  }

  /** Frames sent that the other side has not acknowledged. */
  get frames(): number {
    return this.#kept.length - this.#head;
  }

  /** Frames that the other side has, of those sent over this link; and how many were. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get sent(): number {
    return this.#acknowledged + this.frames;
  }

  /** Those frames, the first sent before. */
  get unacknowledged(): readonly Uint8Array[] {
    return this.#kept.slice(this.#head);
  }

  /** Takes a frame to be sent; never waits. */
  send(frame: Uint8Array): void {
    if (this.#closed) return;
    this.#kept.push(frame);
    this.#keptBytes += frame.byteLength;
    if (this.#keptBytes > this.#bytesMax && this.frames > 1) {
      this.#events.overrun(
        `${this.frames} frames (${this.#keptBytes} bytes) wait to be acknowledged: at most ${this.#bytesMax} bytes may`,
      );
      return;
    }
    if (this.#pumpSoon) return;
    // What one step of a strategy sends leaves in one message.
    this.#pumpSoon = true;
    queueMicrotask(() => {
      this.#pumpSoon = false;
      this.#pump();
    });
  }

  /** Goes on over this stream, with everything the other side has not acknowledged. */
  attach(stream: FrameStream): void {
    if (this.#closed) return void stream.end();
    this.#stream?.destroy();
    this.#hear();
    this.#stream = stream;
    this.#blocked = false;
    this.#written = 0;
    this.#expected = null;
    this.#heard = 0;
    const own = () => this.#stream === stream;
    stream.on("data", (message) => own() && this.#absorb(message));
    stream.on("drain", () => own() && this.#unblock());
    stream.on("end", () => own() && this.#break("the other side ended the connection"));
    stream.on("close", () => own() && this.#break("the connection was closed"));
    stream.on("error", (error) => own() && this.#break(error.message));
    this.#acknowledge();
    this.#pump();
  }

  /**
   * Ends the stream and forgets what was not acknowledged; the other side hears what was received. `onHeard` is called
   * once it has heard, which it never does when it is not there any more.
   */
  close(onHeard: () => void = () => {}): void {
    if (this.#received > this.#told) this.#acknowledge();
    this.#closed = true;
    this.#hear();
    clearTimeout(this.#timer);
    const stream = this.#stream;
    this.#stream = null;
    this.#kept = [];
    [this.#head, this.#keptBytes] = [0, 0];
    if (stream === null) return onHeard();
    // Which of the two comes depends on who dialled.
    stream.on("end", onHeard);
    stream.on("close", onHeard);
    stream.end();
  }

  #break(reason: string): void {
    this.#stream?.destroy();
    this.#stream = null;
    this.#hear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#closed) this.#events.broken(reason);
  }

  #unblock(): void {
    this.#blocked = false;
    this.#pump();
  }

  /** Writes what waits, as long as the stream takes it. */
  #pump(): void {
    while (this.#stream && !this.#blocked && this.#written < this.frames) {
      const start = this.#head + this.#written;
      let bytes = 0;
      let end = start;
      do {
        bytes += this.#kept[end++]!.byteLength;
      } while (end < this.#kept.length && bytes + this.#kept[end]!.byteLength <= batchBytesMax);
      const first = this.#acknowledged + this.#written + 1;
      this.#written = end - this.#head;
      this.#write(first, this.#kept.slice(start, end));
    }
  }

  #write(first: number, frame: readonly Uint8Array[]): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#told = this.#received;
    this.#untoldBytes = 0;
    if (!this.#stream!.write({ first, received: this.#received, frame })) this.#blocked = true;
    if (frame.length > 0) this.#deaf ??= setTimeout(() => this.#giveUp(), 1000 * deafSecondsMax);
  }

  #giveUp(): void {
    this.#deaf = undefined;
    this.#break(`nothing came for ${deafSecondsMax} s`);
  }

  #hear(): void {
    clearTimeout(this.#deaf);
    this.#deaf = undefined;
  }

  #acknowledge(): void {
    if (this.#stream) this.#write(0, []);
  }

  #absorb({ first, received, frame }: FramesMessage): void {
    this.#hear();
    const violation = this.#violationIn(first, received, frame.length);
    if (violation !== null) return this.#events.violated(violation);
    if (frame.length > 0) this.#expected = first + frame.length;
    this.#heard = received;
    this.#forget(received);
    const stream = this.#stream;
    for (let k = 0; k < frame.length; k++) {
      const number = first + k;
      if (number <= this.#received) continue;
      this.#received = number;
      this.#untoldBytes += frame[k]!.byteLength;
      this.#events.frame(frame[k]!);
      // What the frame led to may have closed or replaced the stream.
      if (this.#stream !== stream) return;
    }
    if (this.#received > this.#told) this.#acknowledgeSoon();
  }

  /**
   * Why a message does not keep to the rules; null when it does. After a new stream frames may come again, since
   * their acknowledgement may be lost, and acknowledgements of fewer, which were on their way when both had dialled and
   * went on over the other's stream meanwhile; within a stream each number comes once, and in order.
   */
  #violationIn(first: number, received: number, count: number): string | null {
    if (received > this.sent) return `acknowledges ${received} frames of ${this.sent} sent`;
    if (received < this.#heard) return `acknowledges ${received} frames after ${this.#heard}`;
    if (count === 0) return null;
    const expected = this.#expected ?? Math.min(first, this.#received + 1);
    if (first === expected && first >= 1) return null;
    return first < expected
      ? `sends frame ${first} again after ${expected - 1}`
      : `sends frame ${first} where ${expected} is next`;
  }

  #acknowledgeSoon(): void {
    const many = this.#received - this.#told >= unacknowledgedFramesMax;
    if (many || this.#untoldBytes >= unacknowledgedBytesMax) return this.#acknowledge();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#acknowledge();
    }, acknowledgeMsMax);
  }

  #forget(received: number): void {
    const count = received - this.#acknowledged;
    if (count <= 0) return;
    const had = this.hasRoom;
    for (const end = this.#head + count; this.#head < end; this.#head++) {
      this.#keptBytes -= this.#kept[this.#head]!.byteLength;
      this.#kept[this.#head] = nothing;
    }
    if (this.#head > placesClearedMax || this.#head === this.#kept.length) {
      this.#kept.splice(0, this.#head);
      this.#head = 0;
    }
    this.#acknowledged += count;
    this.#written = Math.max(0, this.#written - count);
    if (!had && this.hasRoom) this.#events.room();
  }
}

/**
 * Whether the other side has all that was sent until now; to be asked again and again. A link that takes the place of
 * another begins with what was not acknowledged over that. Nobody is left to hear it where there is no link.
 */
export function hearingOf(linkNow: () => Link | undefined): () => boolean {
  let link = linkNow();
  let last = link?.sent ?? 0;
  return () => {
    const now = linkNow();
    if (!now || !link) return true;
    if (now !== link) last = Math.min(now.sent, last - link.acknowledged);
    link = now;
    return link.acknowledged >= last;
  };
}
