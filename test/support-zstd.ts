/** Zstandard data for tests; Node 20 cannot write any. */
import { xxh64 } from "../src/kernels/reference/xxh64.ts";

/** 40 rows, compressed by the zstd program (1.5, level 19, with a checksum). */
export const zstdText = {
  rows: 40,
  bytes: Buffer.from(
    "KLUv/WRoAs0FAPIPIAyQF3jhNmvsRfvDgxPAhgdBC/KGY0lY5OMPKayupVGZKK5lSqaCf18MV7jjVpJRxlM0K/Z8" +
      "VaQ+nVSTPaupyWN+iWrUrDWiyISdzwiRiOHOW6YQorJpvuiS77G4xDfqLDIlnYnNkB6uJfWlnUyuuV6VNRXAhgcX" +
      "CzE0+C7EsGABT6gRMBh+/w6QmXYQknEf8ARsKxtb6LJBSQtSzdYcDg2DlUizKr80OduEXZtr0WTRz1iHTNiqmDRG" +
      "hA==",
    "base64",
  ),
};

/** A frame of one block as it is, with the content's size and checksum (RFC 8878). */
export function zstdFrame(text: string): Buffer {
  const content = Buffer.from(text);
  const head = Buffer.alloc(4 + 1 + 4 + 3);
  head.writeUInt32LE(0xfd2fb528, 0);
  head.writeUInt8(0b10100100, 4); // size in 4 bytes, one segment, checksum
  head.writeUInt32LE(content.length, 5);
  head.writeUIntLE(1 | (content.length << 3), 9, 3); // the last block, raw
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(Number(xxh64(content, 0n) & 0xffffffffn));
  return Buffer.concat([head, content, checksum]);
}
