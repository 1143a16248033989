import { BinaryWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChunkHeader, decodeFrame, encodeFrame, Frame, framed } from './index.js';

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const text = fc.string({ unit: 'binary', maxLength: 12 });

const header: fc.Arbitrary<ChunkHeader> = fc.record({
  chunk: fc.option(fc.record({ runDigest: text, epoch: u64, first: u64, last: u64 }), { nil: undefined }),
  attempt: u32,
  workerId: text,
  samples: u32,
  columns: fc.array(
    fc.record({ name: text, dtype: text, shape: fc.array(u32, { maxLength: 3 }), bytes: u64 }),
    { maxLength: 4 },
  ),
  payloadBytes: u64,
  crc32: u32,
  substitutions: fc.array(
    fc.record({ row: u32, originalIndex: u64, deliveredIndex: u64, path: text, code: text, reason: text }),
    { maxLength: 3 },
  ),
});

const frame: fc.Arbitrary<Frame> = fc.record({
  header: fc.option(header, { nil: undefined }),
  offset: fc.oneof(fc.constant(0n), u64),
  data: fc.uint8Array({ maxLength: 300 }),
});

/** A frame with its data as a plain array of bytes, to compare across kinds of buffers. */
const plain = (f: Frame) => ({ ...f, data: new Uint8Array(f.data) });

describe('encodeFrame', () => {
  it('gives the bytes of the generated code', () => {
    fc.assert(
      fc.property(frame, (f) => {
        expect(new Uint8Array(encodeFrame(f))).toEqual(new Uint8Array(Frame.encode(f).finish()));
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes data from shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(4096)).subarray(100, 2_100).fill(7);
    const sent = encodeFrame({ header: undefined, offset: 5n, data: shared });
    expect(plain(Frame.decode(sent))).toEqual({
      header: undefined,
      offset: 5n,
      data: new Uint8Array(2_000).fill(7),
    });
  });

  it.each([-1n, 1n << 64n])('refuses the offset %s', (offset) => {
    expect(() => encodeFrame({ header: undefined, offset, data: new Uint8Array() })).toThrow(RangeError);
  });
});

describe('framed', () => {
  it("puts gRPC's prefix before the encoding, in the room given or in its own", () => {
    fc.assert(
      fc.property(frame, fc.nat(600), (f, bytes) => {
        const room = Buffer.alloc(bytes, 0xff);
        const sent = framed(f, room);
        const encoded = encodeFrame(f);
        expect([sent[0], sent.readUInt32BE(1)]).toEqual([0, encoded.length]);
        expect(sent.subarray(5).equals(encoded)).toBe(true);
        expect(sent.buffer === room.buffer && sent.byteOffset === room.byteOffset).toBe(sent.length <= bytes);
      }),
    );
  });
});

describe('decodeFrame', () => {
  it('reads what the generated code wrote', () => {
    fc.assert(
      fc.property(frame, (f) => {
        expect(plain(decodeFrame(Frame.encode(f).finish()))).toEqual(plain(f));
      }),
      { numRuns: 1_000 },
    );
  });

  it('copies nothing of the data', () => {
    const encoded = encodeFrame({ header: undefined, offset: 0n, data: new Uint8Array(1_000) });
    expect(decodeFrame(encoded).data.buffer).toBe(encoded.buffer);
  });

  it('skips fields of later versions, in any place', () => {
    fc.assert(
      fc.property(
        frame,
        fc.integer({ min: 4, max: 5_000 }),
        fc.constantFrom(0, 1, 2, 5),
        fc.boolean(),
        (f, field, type, before) => {
          const unknown = new BinaryWriter();
          unknown.uint32((field << 3) | type);
          if (type === 0) unknown.uint64(1n << 63n);
          else if (type === 1) unknown.fixed64(9n);
          else if (type === 2) unknown.bytes(new Uint8Array(9));
          else unknown.fixed32(9);
          const extra = unknown.finish();
          const encoded = encodeFrame(f);
          const both = Buffer.concat(before ? [extra, encoded] : [encoded, extra]);
          expect(plain(decodeFrame(both))).toEqual(plain(f));
        },
      ),
    );
  });

  it('takes any bytes for a frame or refuses them with a RangeError, and never differs from the generated code', () => {
    const damaged = fc
      .tuple(frame, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(20))
      .map(([f, edits, cut]) => {
        const bytes = new Uint8Array(encodeFrame(f));
        if (bytes.length > 0) for (const [at, value] of edits) bytes[at % bytes.length] = value;
        return bytes.subarray(0, Math.max(0, bytes.length - cut));
      });
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 60 })), (bytes) => {
        let decoded: Frame;
        try {
          decoded = decodeFrame(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          refused++;
          return;
        }
        accepted++;
        expect(plain(decoded)).toEqual(plain(Frame.decode(bytes)));
      }),
      { numRuns: 5_000 },
    );
    expect(accepted).toBeGreaterThan(200);
    expect(refused).toBeGreaterThan(200);
  });

  it('refuses lengths beyond the message before any memory is taken', () => {
    const lie = new BinaryWriter()
      .uint32((3 << 3) | 2)
      .uint32(0xffffffff)
      .finish();
    expect(() => decodeFrame(lie)).toThrow('not a frame');
  });
});
