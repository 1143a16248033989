import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32, JoinedCrc32 } from './index.js';

test("the checksum is zlib's, at every length and alignment", () => {
  const anyBytes = fc.uint8Array({ maxLength: 2_000 });
  fc.assert(
    fc.property(anyBytes, fc.nat(2_000), (bytes, skipped) => {
      const [before, part] = [bytes.subarray(0, skipped), bytes.subarray(skipped)];
      expect(crc32(part)).toBe(zlib.crc32(part));
      expect(crc32(part, crc32(before))).toBe(zlib.crc32(bytes));
    }),
  );
  // Around the lengths where blocks begin.
  const shared = new Uint8Array(new SharedArrayBuffer(1 << 20)).map((_, i) => (i * i) >> 7);
  for (const length of [0, 1, 15, 16, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255, 256, 1 << 20]) {
    const part = shared.subarray(0, length);
    expect(crc32(part)).toBe(zlib.crc32(part));
  }
});

test('checksums of parts join to that of the whole', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }), (parts) => {
      const joined = new JoinedCrc32();
      for (const part of parts) joined.append(zlib.crc32(part), part.length);
      expect(joined.value).toBe(zlib.crc32(Buffer.concat(parts)));
    }),
  );
});
