/**
 * The hot message: `Frames` of cluster.proto, written and read by hand. Frames are copied once on the way out
 * and not at all on the way in; the bytes are those that the generated code would write.
 */

/** Frames in order, and what their sender has received. */
export interface FramesMessage {
  /** Number of the first frame, from 1; 0 where there is none. */
  readonly first: number;
  readonly received: number;
  readonly frame: readonly Uint8Array[];
}

const tag = { first: 0x08, received: 0x10, frame: 0x1a } as const;

/** Writes the message as protobuf. */
export function writeFrames({ first, received, frame }: FramesMessage): Buffer {
  let length = 0;
  if (first > 0) length += 1 + varintBytes(first);
  if (received > 0) length += 1 + varintBytes(received);
  for (const { byteLength } of frame) length += 1 + varintBytes(byteLength) + byteLength;
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  if (first > 0) at = writeVarint(bytes, writeByte(bytes, at, tag.first), first);
  if (received > 0) at = writeVarint(bytes, writeByte(bytes, at, tag.received), received);
  for (const one of frame) {
    at = writeVarint(bytes, writeByte(bytes, at, tag.frame), one.byteLength);
    bytes.set(one, at);
    at += one.byteLength;
  }
  return bytes;
}

/**
 * Reads the message; frames are views over `bytes`.
 * @throws RangeError for bytes that are no such message.
 */
export function readFrames(bytes: Uint8Array): FramesMessage {
  const reader = { bytes, at: 0 };
  const frame: Uint8Array[] = [];
  let first = 0;
  let received = 0;
  while (reader.at < bytes.length) {
    switch (bytes[reader.at++]) {
      case tag.first:
        first = readVarint(reader);
        break;
      case tag.received:
        received = readVarint(reader);
        break;
      case tag.frame: {
        const length = readVarint(reader);
        const end = reader.at + length;
        if (end > bytes.length) throw new RangeError("a frame is longer than its message");
        // A view of a Buffer that is no Buffer costs half as much.
        frame.push(new Uint8Array(bytes.buffer, bytes.byteOffset + reader.at, length));
        reader.at = end;
        break;
      }
      default:
        throw new RangeError("a message of frames has a field that is unknown");
    }
  }
  return { first, received, frame };
}

function writeByte(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value;
  return at + 1;
}

function varintBytes(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
}

function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128;
  bytes[at++] = rest;
  return at;
}

function readVarint(reader: { readonly bytes: Uint8Array; at: number }): number {
  let value = 0;
  for (let unit = 1; unit <= 2 ** 49; unit *= 128) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) throw new RangeError("a number is longer than its message");
    value += (byte & 127) * unit;
    if (byte < 128) return value;
  }
  throw new RangeError("a number is larger than any count of frames");
}
