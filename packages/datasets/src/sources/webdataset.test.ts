import { symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderOf, temporaryFolder } from '../../test-support/folders.js';
import { tarOf } from '../../test-support/tars.js';
import { filesBy, serve } from '../../test-support/web-server.js';
import {
  type DatasetConfigInput,
  datasetSchema,
  indexDataset,
  type Manifest,
  openDataset,
  type Parts,
  partsFrom,
  sealPart,
} from '../index.js';

type Files = readonly (readonly [string, string])[];

const TWO: Files = [
  ['a.jpg', 'image a'],
  ['a.cls', '1'],
  ['b.jpg', 'image b'],
  ['b.cls', '0'],
];
const THIRD: Files = [
  ['c.png', 'image c'],
  ['c.json', '{"label": 1, "score": 0.5}'],
];

const config = (url: string, more: Partial<DatasetConfigInput> = {}) =>
  datasetSchema.parse({ source: 'webdataset', url, ...more });

/** A folder of shards by name. */
async function shardsOf(shards: Readonly<Record<string, Files>>): Promise<string> {
  const url = await folderOf(Object.keys(shards).map((path) => `${path}.keep/`));
  for (const [path, files] of Object.entries(shards)) await writeFile(join(url, path), tarOf(files));
  return url;
}

async function samplesOf(url: string, manifest: Manifest, parts?: Parts) {
  const reader = openDataset(url, manifest, parts ? { parts } : {});
  const samples = [];
  for (let i = 0; i < manifest.length; i++) {
    const { encoded, label, path, fields } = await reader.read(i);
    samples.push({ image: Buffer.from(encoded ?? []).toString(), label, path, fields });
  }
  return samples;
}

/** Keeps parts in memory. */
function keeper() {
  const kept = new Map<string, Uint8Array>();
  const keep = async (bytes: Uint8Array) => {
    const { digest, sealed } = sealPart(bytes);
    kept.set(digest, sealed);
    return digest;
  };
  return { kept, keep, parts: partsFrom(async (digest) => kept.get(digest) ?? null) };
}

const malformed = (path: string, reason: RegExp) => ({
  code: 'DATASET_MALFORMED',
  details: { path, reason: expect.stringMatching(reason) },
});

describe('webdataset', () => {
  it('has every tar below its folder, by name, sample by sample', async () => {
    const url = await shardsOf({ 'train-1.tar': THIRD, 'train-0.tar': TWO, 'notes.txt': [] });
    const { manifest, notices } = await indexDataset(config(url));
    expect(manifest.length).toBe(3);
    expect(manifest.fields).toEqual([
      { name: 'score', dtype: 'float64' },
      { name: 'path', dtype: 'string' },
    ]);
    expect(await samplesOf(url, manifest)).toEqual([
      { image: 'image a', label: 1, path: 'train-0.tar#0', fields: { path: 'a', score: Number.NaN } },
      { image: 'image b', label: 0, path: 'train-0.tar#1', fields: { path: 'b', score: Number.NaN } },
      { image: 'image c', label: 1, path: 'train-1.tar#0', fields: { path: 'c', score: 0.5 } },
    ]);
    expect(notices).toContainEqual(expect.stringContaining('1 .txt'));
  });

  it.each([
    ['train-{0..1}.tar', ['train-0.tar#0', 'train-0.tar#1', 'train-1.tar#0']],
    ['train-{1,0}.tar', ['train-1.tar#0', 'train-0.tar#0', 'train-0.tar#1']],
    ['*-1.tar', ['train-1.tar#0']],
    ['t*/*.tar', ['test/x.tar#0']],
    ['shards.txt', ['test/x.tar#0', 'train-1.tar#0']],
  ])('has the shards that %s means', async (shards, paths) => {
    const url = await shardsOf({ 'train-0.tar': TWO, 'train-1.tar': THIRD, 'test/x.tar': THIRD });
    await writeFile(join(url, 'shards.txt'), '# in this order\ntest/x.tar\n./train-{1..1}.tar\n');
    const { manifest } = await indexDataset(config(url, { shards } as Partial<DatasetConfigInput>));
    expect(Array.from({ length: manifest.length }, (_, i) => manifest.pathOf(i))).toEqual(paths);
  });

  it('reads shards of a web server, which are named by braces or by an index', async () => {
    const wids = { wids_version: 1, shardlist: [{ url: 'b.tar', nsamples: 1 }] };
    const files = {
      '/data/a0.tar': tarOf(TWO),
      '/data/a1.tar': tarOf(THIRD),
      '/wids/b.tar': tarOf(THIRD),
      '/wids/shardindex.json': JSON.stringify(wids),
    };
    const server = await serve(filesBy(files));
    const images = async (url: string, more: object = {}) => {
      const { manifest } = await indexDataset(config(url, more));
      return (await samplesOf(url, manifest)).map(({ image }) => image);
    };
    expect(await images(`${server}/data`, { shards: 'a{0..1}.tar' })).toEqual([
      'image a',
      'image b',
      'image c',
    ]);
    expect(await images(`${server}/wids`)).toEqual(['image c']);
    await expect(images(`${server}/data`)).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      message: expect.stringContaining('cannot be asked what it has'),
    });
  });

  it("takes wids' index at its word, and makes the shards' indexes when they are needed", async () => {
    const url = await shardsOf({ 'x/a.tar': TWO, 'x/b.tar': THIRD });
    const shardlist = [
      { url: 'b.tar', nsamples: 1, filesize: tarOf(THIRD).length },
      { url: `${url}/x/a.tar`, nsamples: 2 },
    ];
    await writeFile(join(url, 'x', 'shardindex.json'), JSON.stringify({ wids_version: 1, shardlist }));
    const { manifest } = await indexDataset(config(join(url, 'x')));
    expect((await samplesOf(join(url, 'x'), manifest)).map(({ image }) => image)).toEqual([
      'image c',
      'image a',
      'image b',
    ]);
    shardlist[0]!.nsamples = 3;
    await writeFile(join(url, 'x', 'shardindex.json'), JSON.stringify({ wids_version: 1, shardlist }));
    const wrong = (await indexDataset(config(join(url, 'x')))).manifest;
    await expect(openDataset(join(url, 'x'), wrong).read(0)).rejects.toMatchObject({
      code: 'DATASET_CHANGED',
      details: { path: 'b.tar', change: expect.stringMatching(/1 samples with an image, and 3/) },
    });
  });

  it("says of what wids' index names that it has no image under that name", async () => {
    const url = await shardsOf({ 'a.tar': TWO });
    const shardlist = [{ url: 'a.tar', nsamples: 2 }];
    await writeFile(join(url, 'shardindex.json'), JSON.stringify({ wids_version: 1, shardlist }));
    const wrong = { image_field: 'left.jpg' } as Partial<DatasetConfigInput>;
    await expect(indexDataset(config(url, wrong))).rejects.toMatchObject({
      code: 'DATASET_EMPTY',
      message: expect.stringMatching(
        /no sample of 1 shard has an image: samples have jpg, cls; name the image's/,
      ),
    });
  });

  it('reads by the kept index of a shard, and by one made again where it is gone', async () => {
    const url = await shardsOf({ 'a.tar': TWO });
    const { keep, kept, parts } = keeper();
    const { manifest } = await indexDataset(config(url), { keep });
    expect(kept.size).toBe(1);
    expect(manifest.digest).toBe((await indexDataset(config(url))).manifest.digest);
    const expected = await samplesOf(url, manifest, parts);
    expect(expected.map(({ image }) => image)).toEqual(['image a', 'image b']);
    kept.clear();
    expect(await samplesOf(url, manifest, parts)).toEqual(expected);
  });

  it('refuses an index that is not the one that was kept', async () => {
    const url = await shardsOf({ 'a.tar': TWO });
    const { keep, kept, parts } = keeper();
    const { manifest } = await indexDataset(config(url), { keep });
    for (const bytes of kept.values()) bytes[9]! ^= 1;
    await expect(openDataset(url, manifest, { parts }).read(0)).rejects.toMatchObject({
      code: 'DATASET_MALFORMED',
    });
  });

  it('notices shards that changed under the run', async () => {
    const url = await shardsOf({ 'a.tar': TWO });
    const { keep, parts } = keeper();
    const { manifest } = await indexDataset(config(url), { keep });
    const changed = { code: 'DATASET_CHANGED' };
    await writeFile(join(url, 'a.tar'), tarOf([['a.jpg', 'another'], ...TWO.slice(1)]).subarray(512));
    await expect(openDataset(url, manifest, { parts }).read(0)).rejects.toMatchObject(changed);
    // Of the same size: its headers tell, with the index and without.
    const moved = tarOf([
      ['x.txt', 'x'.repeat(600)],
      ['a.jpg', 'y'],
      ['b.jpg', 'z'],
    ]).subarray(0, tarOf(TWO).length);
    await writeFile(
      join(url, 'a.tar'),
      Buffer.concat([moved, Buffer.alloc(tarOf(TWO).length - moved.length)]),
    );
    await expect(openDataset(url, manifest, { parts }).read(1)).rejects.toMatchObject(changed);
    await expect(openDataset(url, manifest).read(1)).rejects.toMatchObject(changed);
    await truncate(join(url, 'a.tar'), 1000);
    await expect(openDataset(url, manifest, { parts }).read(1)).rejects.toMatchObject(changed);
  });

  it('takes classes from the config, from classes.json, and labels by their names', async () => {
    const url = await shardsOf({
      'a.tar': [
        ['a.jpg', 'x'],
        ['a.json', '{"species": "dog"}'],
      ],
    });
    const labelled = { label_field: 'species', classes: ['cat', 'dog'] } as Partial<DatasetConfigInput>;
    const { manifest } = await indexDataset(config(url, labelled));
    expect(await samplesOf(url, manifest)).toEqual([
      { image: 'x', label: 1, path: 'a.tar#0', fields: { path: 'a' } },
    ]);
    await writeFile(join(url, 'classes.json'), '["dog", "cat"]');
    const byFile = await indexDataset(config(url, { label_field: 'species' } as Partial<DatasetConfigInput>));
    expect(byFile.manifest.classes).toEqual(['dog', 'cat']);
    const other = { ...labelled, classes: ['cat'] } as Partial<DatasetConfigInput>;
    const without = await indexDataset(config(url, other));
    await expect(openDataset(url, without.manifest).read(0)).rejects.toMatchObject(
      malformed('a.tar#0', /its label "dog" is not one of 1 classes/),
    );
  });

  it("has the data's own path where it has one, and no more of the first bytes than asked for", async () => {
    const json = JSON.stringify({ path: 'n01/a.jpg', nested: {}, 'not a name': 1, label: null });
    const url = await shardsOf({
      'a.tar': [
        ['a.cls', '4'],
        ['a.txt', 'x'.repeat(20_000)],
        ['a.webp', 'image'],
        ['a.json', json],
      ],
    });
    const { manifest, notices } = await indexDataset(config(url));
    const [sample] = await samplesOf(url, manifest);
    expect(sample).toMatchObject({ label: 4, fields: { path: 'n01/a.jpg', txt: 'x'.repeat(20_000) } });
    expect(notices).toEqual([
      expect.stringContaining('"nested" is left out: it is no scalar'),
      expect.stringContaining('"not a name" is left out'),
      expect.stringContaining('"label" is left out'),
    ]);
    const reader = openDataset(url, manifest);
    expect(Buffer.from((await reader.head(0, 3)) ?? []).toString()).toBe('ima');
    expect(await reader.size(0)).toBeGreaterThan(20_000);
  });

  it('says what is left out: samples without an image, members without a name, a missing end mark', async () => {
    const url = await temporaryFolder();
    const archive = tarOf([
      ['README', 'x'],
      ['a.jpg', 'x'],
      ['b.npy', 'x'],
    ]);
    await writeFile(join(url, 'a.tar'), archive.subarray(0, -1024));
    const { manifest, notices } = await indexDataset(config(url));
    expect(manifest.length).toBe(1);
    expect(notices.join('\n')).toMatch(
      /no label was found.*\n1 sample has no image.*\(it has npy\)\n1 member is of no sample.*\n1 shard has no end mark/,
    );
  });

  it.each([
    [
      { 'a.tar': [['a.npy', 'x']] },
      {},
      'DATASET_EMPTY',
      /no sample of 1 shard has an image: samples have npy/,
    ],
    [{ 'a.txt': [] }, {}, 'DATASET_EMPTY', /no \.tar; 1 \.txt/],
    [
      { 'a.tar': TWO },
      { image_field: 'left.jpg' },
      'DATASET_EMPTY',
      /samples have jpg, cls; name the image's/,
    ],
    [
      { 'a.tar': TWO },
      { shards: 'b-*.tar' },
      'DATASET_EMPTY',
      /\(nothing has a name that dataset\.shards, "b-\*\.tar", matches\)/,
    ],
    [{ 'a.tar': TWO }, { shards: 'b-{0..3}.tar' }, 'DATASET_NOT_FOUND', /b-0\.tar/],
    [{ 'a.tar': TWO }, { shards: 'list.txt' }, 'DATASET_NOT_FOUND', /list\.txt/],
    [{ 'a.tar': TWO }, { shards: '../a.tar' }, 'SPEC_INVALID', /dataset\.shards.*\.\. part/],
    [{ 'a.tar': TWO }, { shards: '/etc/passwd' }, 'SPEC_INVALID', /dataset\.shards/],
    [{ 'a.tar': TWO }, { shards: 'a{.tar' }, 'SPEC_INVALID', /unbalanced/],
  ] as const)('says what is wrong with %j and %j', async (shards, more, code, message) => {
    const url = await shardsOf(shards as unknown as Record<string, Files>);
    await expect(indexDataset(config(url, more as Partial<DatasetConfigInput>))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('says where names of shards go, where the url has them', () => {
    const given = datasetSchema.safeParse({ source: 'webdataset', url: '/data/train-{000..147}.tar' });
    expect(given.error?.issues[0]?.message).toMatch(/dataset\.shards/);
  });

  it.each([
    ['compressed', Buffer.alloc(1024, Buffer.from([0x1f, 0x8b, 8, 0])), /compressed with gzip.*gunzip/],
    ['empty', Buffer.alloc(0), /empty/],
    ['no tar', Buffer.alloc(4096, 'x'), /checksum|not a number/],
    ['cut short', tarOf(TWO).subarray(0, 700), /cut short/],
    ['of hostile names', tarOf([['../../etc/a.jpg', 'x']]), /"\.\.\/\.\.\/etc\/a\.jpg" leads out/],
    ['of absolute names', tarOf([['/etc/a.jpg', 'x']]), /leads out/],
    [
      'of a sample with a member twice',
      tarOf([
        ['a.jpg', 'x'],
        ['a.jpg', 'y'],
      ]),
      /there twice/,
    ],
    [
      'of JSON that is none',
      tarOf([
        ['a.jpg', 'x'],
        ['a.json', '{'],
      ]),
      /"a\.json" is not JSON/,
    ],
  ])('refuses a shard that is %s, by its name', async (_, bytes, reason) => {
    const url = await shardsOf({ 'a.tar': TWO });
    await writeFile(join(url, 'b.tar'), bytes);
    const only = { shards: ['b.tar'] } as Partial<DatasetConfigInput>;
    await expect(indexDataset(config(url, only))).rejects.toMatchObject(malformed('b.tar', reason));
  });

  it.each([
    ['list.txt', '../x.tar', /list\.txt is not valid.*"\.\.\/x\.tar" does not lie below/],
    ['list.txt', '/etc/passwd', /does not lie below/],
    ['list.txt', 'http://elsewhere/x.tar', /does not lie below/],
    ['list.txt', 'a\0.tar', /NUL/],
    ['list.txt', 'link.tar', /link\.tar is not valid.*outside|link/],
    [
      'wids.json',
      JSON.stringify({ wids_version: 1, base: '..', shardlist: [{ url: 'x.tar', nsamples: 1 }] }),
      /does not lie below/,
    ],
    [
      'wids.json',
      JSON.stringify({ wids_version: 1, shardlist: [{ url: 'x.tar', nsamples: -1 }] }),
      /shardlist\.0\.nsamples/,
    ],
    ['wids.json', '[', /wids\.json is not valid/],
  ])('reads nothing outside its root because %s says %j', async (file, text, message) => {
    const outside = await shardsOf({ 'x.tar': TWO });
    const url = await shardsOf({ 'a.tar': TWO });
    await symlink(join(outside, 'x.tar'), join(url, 'link.tar'));
    await writeFile(join(url, file), text);
    await expect(
      indexDataset(config(url, { shards: file } as Partial<DatasetConfigInput>)),
    ).rejects.toMatchObject({ code: 'DATASET_MALFORMED', message: expect.stringMatching(message) });
  });

  it('can be given up', async () => {
    const url = await shardsOf({ 'a.tar': TWO });
    const given = AbortSignal.abort();
    await expect(indexDataset(config(url), { signal: given })).rejects.toMatchObject({ code: 'CANCELLED' });
    const { manifest } = await indexDataset(config(url));
    await expect(openDataset(url, manifest).read(0, given)).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
