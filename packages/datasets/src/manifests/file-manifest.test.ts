import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodePath } from '../paths.js';
import { readFacts } from './decode.js';
import { FileManifest, FileManifestBuilder } from './file-manifest.js';
import { checkManifest } from './header.js';
import type { ManifestHeader } from './manifest.js';

interface Row {
  path: string;
  size: number;
  label: number;
}

const HEADER: ManifestHeader = {
  source: 'image-folder',
  classes: ['cat', 'dog'],
  fields: [{ name: 'path', dtype: 'string' }],
};

function manifestOf(rows: readonly Row[], header = HEADER): FileManifest {
  const builder = new FileManifestBuilder(header);
  for (const { path, size, label } of rows) builder.add(encodePath(path), size, label);
  return builder.build();
}

const rowsOf = (manifest: FileManifest): Row[] =>
  Array.from({ length: manifest.length }, (_, i) => ({
    path: manifest.storagePathOf(i),
    size: manifest.sizeOf(i),
    label: manifest.labelOf(i),
  }));

const pathPart = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 12 })
  .filter((s) => !/^\.{1,2}$|[/\0]/.test(s));
const row: fc.Arbitrary<Row> = fc.record({
  path: fc.array(pathPart, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
  size: fc.maxSafeNat(),
  label: fc.integer({ min: -1, max: 1 }),
});
const rows = fc.array(row, { maxLength: 30 });

const A: Row[] = [
  { path: 'cat/1.jpg', size: 10, label: 0 },
  { path: 'dog/1.jpg', size: 20, label: 1 },
];

describe('FileManifest', () => {
  it('gives back what was added, before and after its binary form', () => {
    fc.assert(
      fc.property(rows, (rows) => {
        const manifest = manifestOf(rows);
        const again = FileManifest.decode(manifest.encode());
        expect(rowsOf(manifest)).toEqual(rows);
        expect(rowsOf(again)).toEqual(rows);
        expect(again).toMatchObject(HEADER);
        expect(again.digest).toBe(manifest.digest);
      }),
    );
  });

  it('grows past any first capacity', () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({
      path: `cat/${'x'.repeat(i % 50)}${i}.jpg`,
      size: i,
      label: 0,
    }));
    expect(rowsOf(manifestOf(many))).toEqual(many);
  });

  it('has a digest of the source, the classes, and the paths, sizes and labels in order', () => {
    const [first, second] = A as [Row, Row];
    const variants = [
      manifestOf(A),
      manifestOf([second, first]),
      manifestOf([first]),
      manifestOf([{ ...first, path: 'cat/2.jpg' }, second]),
      manifestOf([{ ...first, size: 11 }, second]),
      manifestOf([{ ...first, label: -1 }, second]),
      manifestOf([
        { ...first, path: 'cat/1.jp' },
        { ...second, path: 'gdog/1.jpg' },
      ]),
      manifestOf(A, { ...HEADER, classes: ['cat', 'Dog'] }),
      manifestOf(A, { ...HEADER, source: 'other' }),
    ];
    expect(new Set(variants.map(({ digest }) => digest)).size).toBe(variants.length);
    expect(manifestOf(A).digest).toBe(variants[0]?.digest);
  });

  it('keeps its digest for ever', () => {
    // From Python's struct and hashlib, by the layout in manifest-format.ts.
    expect(manifestOf(A).digest).toBe('4263aaa69abb480ff1cbddd3bf12d12740b8dc818063b64f96b646d788498131');
  });

  it('shows bytes that are not UTF-8 as replacement characters, and still finds the file', () => {
    const manifest = manifestOf([{ path: 'caf\udce9.jpg', size: 1, label: -1 }]);
    expect(manifest.pathOf(0)).toBe('caf\ufffd.jpg');
    expect(manifest.storagePathOf(0)).toBe('caf\udce9.jpg');
  });

  it('selects samples in the order given, twice where asked twice', () => {
    const selected = manifestOf(A).select([1, 0, 1]);
    expect(rowsOf(selected)).toEqual([A[1], A[0], A[1]]);
    expect(selected.classes).toEqual(HEADER.classes);
    expect(() => manifestOf(A).select([2])).toThrow(RangeError);
  });

  it('refuses ids that it does not have', () => {
    const manifest = manifestOf(A);
    for (const bad of [-1, 2, 0.5, Number.NaN]) {
      expect(() => manifest.labelOf(bad)).toThrow(RangeError);
      expect(() => manifest.pathOf(bad)).toThrow(RangeError);
      expect(() => manifest.sizeOf(bad)).toThrow(RangeError);
    }
  });
});

describe('FileManifest.decode', () => {
  const malformed = expect.objectContaining({ code: 'DATASET_MALFORMED' });
  /** By decoding and by reading every sample. */
  const thrownBy = (bytes: Uint8Array): unknown => {
    try {
      rowsOf(FileManifest.decode(bytes));
      return null;
    } catch (error) {
      return error;
    }
  };

  /** Gives edited bytes the digest that belongs to them, as a forger would. */
  function resealed(bytes: Uint8Array): Uint8Array {
    const body = bytes.subarray(0, bytes.length - 32);
    return Buffer.concat([body, createHash('sha256').update(body).digest()]);
  }

  it('refuses any bytes that are no manifest', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(thrownBy(bytes)).toEqual(malformed);
      }),
    );
    const magic = Buffer.from('CSMANIF1');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(thrownBy(Buffer.concat([magic, bytes]))).toEqual(malformed);
      }),
    );
  });

  it('refuses a manifest that was cut, lengthened or changed in one byte', async () => {
    const { digest } = manifestOf(A);
    const good = manifestOf(A).encode();
    await checkManifest(good, digest);
    await expect(checkManifest(good, 'f'.repeat(64))).rejects.toEqual(malformed);
    for (let length = 0; length < good.length; length++)
      expect(thrownBy(good.subarray(0, length))).toEqual(malformed);
    expect(thrownBy(Buffer.concat([good, Buffer.from([0])]))).toEqual(malformed);
    for (let i = 0; i < good.length; i++) {
      const bad = good.slice();
      bad[i]! ^= 1 << (i % 8);
      await expect(checkManifest(bad, digest)).rejects.toEqual(malformed);
    }
  });

  it('never takes forged contents for more than they are: refused, or a manifest that re-encodes to them', () => {
    const forged = fc.tuple(
      rows,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
    );
    fc.assert(
      fc.property(forged, ([rows, edits]) => {
        const bytes = manifestOf(rows).encode();
        for (const [at, value] of edits) bytes[at % (bytes.length - 32)] = value;
        const sealed = resealed(bytes);
        const error = thrownBy(sealed);
        if (error !== null) expect(error).toEqual(malformed);
        else expect(Buffer.from(FileManifest.decode(sealed).encode())).toEqual(Buffer.from(sealed));
      }),
      { numRuns: 1000 },
    );
  });

  it.each(['../../etc/passwd', '/etc/passwd', 'a/../../b', 'a\0b', ''])(
    'refuses a forged path %j',
    (path) => {
      expect(thrownBy(manifestOf([{ path, size: 1, label: 0 }]).encode())).toEqual(malformed);
    },
  );

  it('spoils no other sample by a forged one, which is refused when it is asked for', () => {
    const manifest = FileManifest.decode(manifestOf([...A, { path: '../b', size: 1, label: 0 }]).encode());
    expect(rowsOf(manifestOf(A))).toEqual([0, 1].map((i) => ({ ...A[i], path: manifest.storagePathOf(i) })));
    expect(() => manifest.storagePathOf(2)).toThrow(malformed);
    expect(() => manifest.select([2])).toThrow(malformed);
  });

  it('tells its facts from its first bytes', () => {
    const bytes = manifestOf(A).encode();
    const enough = bytes.subarray(0, 24 + Buffer.from(bytes.buffer, bytes.byteOffset).readUInt32LE(8));
    expect(readFacts(enough)).toEqual({ ...HEADER, samples: 2 });
    expect(readFacts(enough.subarray(0, -1))).toBeNull();
    expect(readFacts(bytes.subarray(0, 10))).toBeNull();
    expect(() => readFacts(Buffer.alloc(100))).toThrow(malformed);
  });

  it('refuses labels of no class', () => {
    for (const label of [2, -2, 1e9]) {
      expect(thrownBy(manifestOf([{ path: 'a', size: 1, label }]).encode())).toEqual(malformed);
    }
  });

  it('reads shared memory in place, and bytes at any offset', () => {
    const bytes = manifestOf(A).encode();
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    expect(rowsOf(FileManifest.decode(shared))).toEqual(A);
    for (let offset = 0; offset < 9; offset++) {
      const shifted = new Uint8Array(bytes.length + 9).subarray(offset, offset + bytes.length);
      shifted.set(bytes);
      const manifest = FileManifest.decode(shifted);
      expect(rowsOf(manifest)).toEqual(A);
      expect(Buffer.from(manifest.encode())).toEqual(Buffer.from(bytes));
    }
  });
});
