import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodePath } from '../paths.js';
import { decodeManifest, factsOf, readFacts } from './decode.js';
import { FileManifestBuilder } from './file-manifest.js';
import type { Manifest, ManifestHeader } from './manifest.js';
import { Mix } from './mix.js';
import { Selection } from './selection.js';
import { ShardManifest, ShardManifestBuilder } from './shard-manifest.js';

const HEADER: ManifestHeader = {
  source: 'litdata',
  classes: ['cat', 'dog'],
  fields: [
    { name: 'path', dtype: 'string' },
    { name: 'score', dtype: 'float64' },
  ],
  settings: { image: 'jpg', label: 'cls' },
};

interface Row {
  path: string;
  size: number;
  samples: number;
  indexDigest: string | null;
}

const row: fc.Arbitrary<Row> = fc.record({
  path: fc.stringMatching(/^[a-z]{1,5}(\/[a-z0-9]{1,5})?\.tar$/),
  size: fc.maxSafeNat(),
  samples: fc.integer({ min: 0, max: 50 }),
  indexDigest: fc.option(fc.stringMatching(/^[1-9a-f]{64}$/)),
});
const rows = fc.array(row, { minLength: 1, maxLength: 12 });

function manifestOf(rows: readonly Row[], header = HEADER): ShardManifest {
  const builder = new ShardManifestBuilder(header);
  for (const { path, size, samples, indexDigest } of rows)
    builder.add(encodePath(path), size, samples, indexDigest);
  return builder.build();
}

function filesOf(names: readonly string[], classes: readonly string[]): Manifest {
  const builder = new FileManifestBuilder({
    source: 'image-folder',
    classes,
    fields: [{ name: 'path', dtype: 'string' }],
  });
  for (const name of names) builder.add(encodePath(name), 10, classes.length > 0 ? 0 : -1);
  return builder.build();
}

const malformed = expect.objectContaining({ code: 'DATASET_MALFORMED' });

/** Gives edited bytes the digest that belongs to them, as a forger would. */
function resealed(bytes: Uint8Array): Uint8Array {
  const body = bytes.subarray(0, bytes.length - 32);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

/** Decodes it and asks all that can be asked of it. */
function readAll(bytes: Uint8Array): unknown {
  try {
    const manifest = decodeManifest(bytes);
    for (let id = 0; id < Math.min(manifest.length, 500); id++) manifest.pathOf(id);
    return Buffer.from(manifest.encode()).equals(bytes) ? null : 'it encodes to other bytes';
  } catch (error) {
    return error;
  }
}

describe('ShardManifest', () => {
  it('gives back its shards and finds every sample, before and after its binary form', () => {
    fc.assert(
      fc.property(rows, (rows) => {
        const manifest = manifestOf(rows);
        const again = decodeManifest(manifest.encode());
        expect(again).toBeInstanceOf(ShardManifest);
        for (const each of [manifest, again as ShardManifest]) {
          expect(Array.from(rows, (_, i) => each.shard(i))).toEqual(
            rows.map((row, number) => ({ number, ...row })),
          );
          expect(each).toMatchObject(HEADER);
          expect(each.digest).toBe(manifest.digest);
          let id = 0;
          for (const [number, { path, samples }] of rows.entries()) {
            for (let local = 0; local < samples; local++, id++) {
              expect(each.locate(id)).toMatchObject({ shard: { number }, local });
              expect(each.pathOf(id)).toBe(`${path}#${local}`);
            }
          }
          expect(each.length).toBe(id);
          for (const bad of [-1, id, 0.5]) expect(() => each.locate(bad)).toThrow(RangeError);
        }
      }),
    );
  });

  it('tells its facts from its beginning', () => {
    fc.assert(
      fc.property(rows, (rows) => {
        const manifest = manifestOf(rows);
        const bytes = manifest.encode();
        expect(readFacts(bytes)).toEqual(factsOf(manifest));
        for (const length of [0, 7, 20, 60]) expect(readFacts(bytes.subarray(0, length))).toBeNull();
      }),
    );
  });

  it('has a digest of all that it says', () => {
    const base = [
      { path: 'a.tar', size: 5, samples: 2, indexDigest: null },
      { path: 'b.tar', size: 6, samples: 3, indexDigest: 'f'.repeat(64) },
    ];
    const [first, second] = base as [Row, Row];
    const digests = [
      manifestOf(base),
      manifestOf([second, first]),
      manifestOf([{ ...first, size: 6 }, second]),
      manifestOf([{ ...first, samples: 3 }, second]),
      manifestOf([{ ...first, indexDigest: 'e'.repeat(64) }, second]),
      manifestOf([{ ...first, path: 'c.tar' }, second]),
      manifestOf(base, { ...HEADER, settings: { image: 'png', label: 'cls' } }),
    ].map(({ digest }) => digest);
    expect(new Set(digests).size).toBe(digests.length);
    expect(manifestOf(base, { ...HEADER, settings: { label: 'cls', image: 'jpg' } }).digest).toBe(digests[0]);
  });

  it('costs what its shards do: a billion samples, and 2^40 at most', () => {
    const shards = Array.from({ length: 100_000 }, (_, i) => ({
      path: `train/shard-${String(i).padStart(6, '0')}.tar`,
      size: 1e9,
      samples: 10_000,
      indexDigest: null,
    }));
    const manifest = manifestOf(shards);
    expect(manifest.length).toBe(1e9);
    expect(manifest.encode().length).toBeLessThan(10e6);
    expect(manifest.pathOf(123_456_789)).toBe('train/shard-012345.tar#6789');
    const builder = new ShardManifestBuilder(HEADER);
    builder.add(encodePath('a'), 1, 2 ** 40, null);
    expect(() => builder.add(encodePath('b'), 1, 1, null)).toThrow(/LIMIT|limit|at most/i);
  });
});

const anyManifest: fc.Arbitrary<Manifest> = fc.oneof(
  rows.map((rows) => manifestOf(rows)),
  rows
    .map((rows) => manifestOf(rows))
    .filter(({ length }) => length > 0)
    .chain((whole) =>
      fc
        .array(fc.nat(whole.length - 1), { minLength: 1, maxLength: 20 })
        .map((ids) => new Selection(whole, BigUint64Array.from(ids, BigInt))),
    ),
  fc
    .array(
      fc.oneof(
        fc.constant(filesOf(['a/1.jpg', 'a/2.jpg'], ['a'])),
        fc.constant(filesOf(['3.jpg'], [])),
        rows.map((rows) => manifestOf([...rows, { path: 'z.tar', size: 1, samples: 1, indexDigest: null }])),
      ),
      { minLength: 1, maxLength: 4 },
    )
    .map((parts) => new Mix(parts)),
);

describe('every kind of manifest', () => {
  it('survives its binary form', () => {
    fc.assert(
      fc.property(anyManifest, (manifest) => {
        const bytes = manifest.encode();
        const again = decodeManifest(bytes);
        expect(again.constructor).toBe(manifest.constructor);
        expect(again.digest).toBe(manifest.digest);
        expect(factsOf(again)).toEqual(factsOf(manifest));
        expect(readFacts(bytes)).toEqual(factsOf(manifest));
        const ids = Array.from({ length: Math.min(50, manifest.length) }, (_, i) => i);
        expect(ids.map((id) => again.pathOf(id))).toEqual(ids.map((id) => manifest.pathOf(id)));
        const shifted = new Uint8Array(bytes.length + 3).subarray(3);
        shifted.set(bytes);
        expect(decodeManifest(shifted).digest).toBe(manifest.digest);
      }),
    );
  });

  it('is refused where it was cut, and never taken for more than it is where it was forged', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(anyManifest, edits, fc.nat(), (manifest, edits, cut) => {
        const bytes = Buffer.from(manifest.encode());
        expect(readAll(bytes.subarray(0, cut % bytes.length))).toEqual(malformed);
        for (const [at, value] of edits) bytes[at % (bytes.length - 32)] = value;
        const error = readAll(resealed(bytes));
        if (error !== null) expect(error).toEqual(malformed);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('Mix', () => {
  const mix = new Mix([
    filesOf(['cat/1.jpg', 'dog/1.jpg'], ['cat', 'dog']),
    filesOf(['x.jpg'], []),
    filesOf(['dog/2.jpg'], ['dog', 'owl']),
  ]);

  it('numbers samples through, and knows whose each is', () => {
    expect(mix.length).toBe(4);
    expect([0, 1, 2, 3].map((id) => mix.pathOf(id))).toEqual([
      'cat/1.jpg',
      'dog/1.jpg',
      'x.jpg',
      'dog/2.jpg',
    ]);
    expect([0, 1, 2, 3].map((id) => mix.locate(id))).toEqual([
      { part: 0, id: 0 },
      { part: 0, id: 1 },
      { part: 1, id: 0 },
      { part: 2, id: 0 },
    ]);
  });

  it('has each class once, and the fields that all have', () => {
    expect(mix.classes).toEqual(['cat', 'dog', 'owl']);
    expect(mix.labelsOf(2)).toEqual([1, 2]);
    expect(mix.labelsOf(1)).toEqual([]);
    expect(mix.fields.map(({ name }) => name)).toEqual(['path', 'dataset']);
    expect(new Mix([filesOf(['x.jpg'], [])]).labelsOf(0)).toBeNull();
  });
});
