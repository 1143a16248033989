import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Thrift, thriftList, thriftStruct, varint } from '../../../test-support/thrift.js';
import { readOffsetIndex } from './offset-index.js';
import { decodePages, type PageColumn } from './pages.js';
import { checkThrift, ParquetError, readThrift } from './thrift.js';

const TEXT: PageColumn = { type: 'BYTE_ARRAY', codec: 'UNCOMPRESSED', maxDefinition: 0 };
const PLAIN = 0;
const DICTIONARY = 8;

/** A data page of version 1. */
function page(
  content: Uint8Array,
  values: number,
  { encoding = PLAIN, length = content.length } = {},
): Buffer {
  const header: Thrift = [
    [1, 0],
    [2, length],
    [3, content.length],
    [
      5,
      [
        [1, values],
        [2, encoding],
        [3, 3],
        [4, 3],
      ] as unknown as readonly Thrift[],
    ],
  ];
  return Buffer.concat([thriftStruct(header), content]);
}

const byteArray = (text: string) => {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
};

const texts = (values: readonly unknown[]) =>
  values.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value));

describe('decodePages', () => {
  it('reads pages one after the other', async () => {
    const pages = Buffer.concat([
      page(byteArray('a'), 1),
      page(Buffer.concat([byteArray(''), byteArray('bc')]), 2),
    ]);
    expect(texts(await decodePages(pages, TEXT, 3))).toEqual(['a', '', 'bc']);
  });

  // What makes a reader that trusts it take memory until none is left.
  it.each([
    ['more values than rows', page(byteArray('a'), 2 ** 31 - 1)],
    ['values that are not there', page(byteArray('a'), 3)],
    ['a value longer than its page', page(Buffer.from([255, 255, 255, 255, 1]), 1)],
    [
      'a run of two thousand million levels',
      page(Buffer.concat([byteArray('').fill(6, 0, 1), varint(2 ** 32 - 2), Buffer.from([1])]), 3),
      { maxDefinition: 1 },
    ],
    ['a dictionary that is not there', page(Buffer.from([1, 2, 0]), 1, { encoding: DICTIONARY })],
    ['levels longer than the page', page(Buffer.from([99, 0, 0, 0, 2, 1]), 3), { maxDefinition: 1 }],
    ['an encoding that is not read', page(byteArray('a'), 3, { encoding: 7 }), {}, /encoding 7.*pyarrow/],
    ['a codec that is not read', page(byteArray('a'), 3), { codec: 'LZO' }, /LZO/],
    ['a page longer than its column', page(byteArray('abc'), 1).subarray(0, -1)],
    [
      'two gigabytes to decompress',
      page(gzipSync('a'), 3, { length: 2 ** 31 - 1 }),
      { codec: 'GZIP' },
      /134217728 bytes/,
    ],
    [
      'more than it says',
      page(gzipSync(Buffer.alloc(2 ** 20)), 3, { length: 100 }),
      { codec: 'GZIP' },
      /decompress/,
    ],
    ['less than it says', page(gzipSync('a'), 3, { length: 100 }), { codec: 'GZIP' }, /another size/],
    [
      'more than it says, in snappy',
      page(Buffer.from([200, 1, 0, 65, 0xfe, 1, 0]), 3, { length: 4 }),
      { codec: 'SNAPPY' },
    ],
    ['too few rows', page(byteArray('a'), 1), {}, /1 of 3 rows/],
    [
      'negative sizes',
      thriftStruct([
        [1, 0],
        [2, -1],
        [3, -1],
      ]),
    ],
    ['no header', Buffer.alloc(3, 0xff)],
  ] as const)('refuses %s', async (_, bytes, column = {}, reason = /./) => {
    const decoding = decodePages(bytes, { ...TEXT, ...column }, 3);
    await expect(decoding).rejects.toBeInstanceOf(ParquetError);
    await expect(decoding).rejects.toThrow(reason);
  });

  it('reads runs as they were written, packed or not, of any width', async () => {
    const run = fc.record({
      width: fc.integer({ min: 1, max: 20 }),
      values: fc.array(fc.nat(), { minLength: 1, maxLength: 40 }),
      packed: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(run, async ({ width, values, packed }) => {
        const entries = Math.min(2 ** width, 50);
        const wanted = values.map((value) => value % entries);
        const dictionary = Array.from({ length: entries }, (_, i) => `entry ${i}`);
        const content = Buffer.concat(dictionary.map(byteArray));
        const header: Thrift = [
          [1, 2],
          [2, content.length],
          [3, content.length],
          [
            7,
            [
              [1, entries],
              [2, 0],
            ] as unknown as readonly Thrift[],
          ],
        ];
        const indexes = packed
          ? packedRun(wanted, width)
          : Buffer.concat(wanted.map((value) => repeatedRun(value, width)));
        const pages = Buffer.concat([
          thriftStruct(header),
          content,
          page(Buffer.concat([Buffer.from([width]), indexes]), wanted.length, { encoding: DICTIONARY }),
        ]);
        expect(texts(await decodePages(pages, TEXT, wanted.length))).toEqual(
          wanted.map((i) => dictionary[i]),
        );
      }),
    );
  });

  it('ends on any bytes, with values or a ParquetError', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc
        .tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(5), fc.constantFrom(0, 2, 3, 8))
        .map(([content, values, encoding]) => page(content, values, { encoding })),
    );
    const column = fc.record({
      type: fc.constantFrom('BOOLEAN', 'INT32', 'INT64', 'FLOAT', 'DOUBLE', 'BYTE_ARRAY'),
      codec: fc.constantFrom('UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD'),
      maxDefinition: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(bytes, column, async (pages, found) => {
        try {
          expect(await decodePages(pages, found as PageColumn, 3)).toHaveLength(3);
        } catch (error) {
          expect(error).toBeInstanceOf(ParquetError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

const repeatedRun = (value: number, width: number) => {
  const bytes = Buffer.alloc(Math.ceil(width / 8));
  bytes.writeUIntLE(value, 0, bytes.length);
  return Buffer.concat([varint(2), bytes]);
};

function packedRun(values: readonly number[], width: number): Buffer {
  const groups = Math.ceil(values.length / 8);
  const bytes = Buffer.alloc(groups * width);
  for (const [i, value] of values.entries()) {
    for (let bit = 0; bit < width; bit++) {
      const place = i * width + bit;
      if ((value >> bit) & 1) bytes[place >> 3]! |= 1 << (place & 7);
    }
  }
  return Buffer.concat([varint(2 * groups + 1), bytes]);
}

describe('readThrift', () => {
  it.each([
    [
      'a list that says it has a million entries',
      thriftStruct([[1, thriftList(5, 1e6)]]),
      /longer than what is left/,
    ],
    ['structures without end', Buffer.alloc(100, 0x1c), /nested more than 16/],
    ['lists without end', Buffer.concat([Buffer.from([0x19]), Buffer.alloc(100, 0x19)]), /nested|longer/],
    ['a number without end', Buffer.concat([Buffer.from([0x16]), Buffer.alloc(20, 0xff)]), /64 bits/],
    ['text beyond the end', Buffer.concat([Buffer.from([0x18]), varint(2 ** 40)]), /ends within/],
    ['no end', Buffer.from([0x16, 2]), /ends within/],
  ])('refuses %s', (_, bytes, reason) => {
    expect(() => readThrift(bytes, 0)).toThrow(reason);
    expect(() => checkThrift(bytes, 0)).toThrow(reason);
  });

  it('ends on any bytes, and checking agrees with reading', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        let end: number | undefined;
        try {
          ({ end } = readThrift(bytes, 0));
        } catch (error) {
          expect(error).toBeInstanceOf(ParquetError);
        }
        if (end === undefined) expect(() => checkThrift(bytes, 0)).toThrow(ParquetError);
        else expect(checkThrift(bytes, 0)).toBe(end);
      }),
    );
  });
});

describe('readOffsetIndex', () => {
  const chunk = { offset: 100, length: 50 };
  const index = (...pages: readonly (readonly [number, number, number])[]) =>
    thriftStruct([
      [
        1,
        thriftList(
          12,
          pages.length,
          pages.map(([offset, length, row]) =>
            thriftStruct([
              [1, offset],
              [2, length],
              [3, row],
            ]),
          ),
        ),
      ],
    ]);

  it('tells where pages are', () => {
    expect(readOffsetIndex(index([110, 20, 0], [130, 20, 4]), chunk, 9)).toEqual([
      { offset: 110, length: 20, firstRow: 0 },
      { offset: 130, length: 20, firstRow: 4 },
    ]);
  });

  it.each([
    ['before its column', index([90, 20, 0])],
    ['after its column', index([140, 20, 0])],
    ['of negative length', index([110, -20, 0])],
    ['that overlap', index([110, 20, 0], [120, 20, 4])],
    ['not from the first row on', index([110, 20, 1])],
    ['with rows out of order', index([110, 20, 0], [130, 20, 0])],
    ['beyond the rows', index([110, 20, 0], [130, 20, 9])],
    ['that are none', index()],
  ])('refuses pages %s', (_, bytes) => {
    expect(() => readOffsetIndex(bytes, chunk, 9)).toThrow(ParquetError);
  });
});
