import { BinaryWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkHeader, decodeFrame, type Frame, FrameReader, framed } from './index.js';

const MAX = 1 << 20;
const ROOM = Buffer.alloc(0);

const headers = fc
  .record({ workerId: fc.string({ maxLength: 60 }), samples: fc.nat(), payloadBytes: fc.nat().map(BigInt) })
  .map((some) => ChunkHeader.fromPartial(some));
const frames = fc.record({
  header: fc.option(headers, { nil: undefined }),
  offset: fc.bigInt({ min: 0n, max: (1n << 60n) - 1n }),
  data: fc.uint8Array({ maxLength: 300 }),
});

/** `bytes` in pieces that end at these places. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
}

/** What a reader gives, its pieces put together again. */
function read(given: readonly Uint8Array[], maxBytes = MAX): Frame[] {
  const found: Frame[] = [];
  const reader = new FrameReader(maxBytes, ({ header, offset, data }) => {
    const last = found.at(-1);
    const isNext = last && header === undefined && offset === last.offset + BigInt(last.data.length);
    if (isNext && data.length > 0) last.data = Buffer.concat([last.data, data]);
    else found.push({ header, offset, data: Buffer.from(data) });
  });
  for (const bytes of given) reader.write(bytes);
  return found;
}

const plain = (f: Frame) => ({ ...f, data: new Uint8Array(f.data) });

/** Frames that follow one another have gaps between them, so that they can be told apart. */
const apart = (all: readonly Frame[]) =>
  all.map((f, i) => ({ ...f, offset: f.offset + (BigInt(i) << 61n) + (i > 0 ? 1n : 0n) }));

describe('FrameReader', () => {
  it('gives the frames that were sent, wherever their bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 40 }), (some, cuts) => {
        const sent = apart(some);
        const bytes = Buffer.concat(sent.map((f) => framed(f, ROOM)));
        expect(read(pieces(bytes, cuts)).map(plain)).toEqual(sent.map(plain));
        // Byte by byte.
        expect(read([...bytes].map((byte) => Uint8Array.of(byte))).map(plain)).toEqual(sent.map(plain));
      }),
      { numRuns: 300 },
    );
  });

  it('copies no data, and waits for no message', () => {
    const bytes = framed({ header: undefined, offset: 7n, data: new Uint8Array(1_000).fill(1) }, ROOM);
    const found: Frame[] = [];
    const reader = new FrameReader(MAX, (frame) => found.push(frame));
    reader.write(bytes.subarray(0, 500));
    reader.write(bytes.subarray(500, 600));
    expect(found.map(({ offset, data }) => [offset, data.length])).toEqual([
      [7n, 490],
      [497n, 100],
    ]);
    for (const { data } of found) expect(data.buffer).toBe(bytes.buffer);
  });

  it('skips fields of later versions before the data and behind it', () => {
    const extra = new BinaryWriter()
      .uint32((9 << 3) | 2)
      .bytes(new Uint8Array(40))
      .uint32((10 << 3) | 0)
      .uint64(1n << 50n)
      .finish();
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 9 }), (f, cuts) => {
        const message = framed(f, ROOM).subarray(5);
        const longer = Buffer.concat([extra, message, extra]);
        const prefix = Buffer.alloc(5);
        prefix.writeUInt32BE(longer.length, 1);
        const bytes = Buffer.concat([prefix, longer, framed({ ...f, offset: 1n << 62n }, ROOM)]);
        expect(read(pieces(bytes, cuts)).map(plain)).toEqual(
          [decodeFrame(longer), { ...f, offset: 1n << 62n }].map(plain),
        );
      }),
    );
  });

  it('takes any bytes for frames or refuses them with a RangeError, and never gives more than came', () => {
    const damaged = fc
      .tuple(frames, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
      .map(([f, edits]) => {
        const bytes = Buffer.from(framed(f, ROOM));
        for (const [at, value] of edits) bytes[at % bytes.length] = value;
        return bytes;
      });
    fc.assert(
      fc.property(
        fc.oneof(damaged, fc.uint8Array({ maxLength: 60 })),
        fc.array(fc.nat(), { maxLength: 9 }),
        (bytes, cuts) => {
          let given = 0;
          const reader = new FrameReader(MAX, ({ data }) => {
            given += data.length;
          });
          try {
            for (const piece of pieces(bytes, cuts)) reader.write(piece);
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
          expect(given).toBeLessThanOrEqual(bytes.length);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('refuses what is compressed or too long before any of it is held', () => {
    const prefix = (flag: number, length: number) => {
      const bytes = Buffer.alloc(5);
      bytes.writeUInt8(flag, 0);
      bytes.writeUInt32BE(length, 1);
      return bytes;
    };
    expect(() => read([prefix(0, MAX + 1)])).toThrow(RangeError);
    expect(() => read([prefix(1, 4)])).toThrow(/compressed/);
    expect(read([prefix(0, MAX)])).toEqual([]);
  });
});
