import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test-support/folders.js';
import { indexDataset, loadSources, locationOf, openDataset } from '../index.js';

const EXAMPLE = fileURLToPath(new URL('../../../../examples/sources/csv-labels.mjs', import.meta.url));

/** A dataset for the example: images below folders that mean nothing, and a list. */
async function plankton(list = 'x/b.jpg,copepod\ny/a, with a comma.jpg,diatom\nx/c.jpg,copepod\n') {
  const url = await temporaryFolder();
  for (const path of ['x/b.jpg', 'y/a, with a comma.jpg', 'x/c.jpg']) {
    await mkdir(dirname(join(url, path)), { recursive: true });
    await writeFile(join(url, path), path);
  }
  await writeFile(join(url, 'labels.csv'), list);
  return url;
}

async function moduleOf(text: string): Promise<string> {
  const path = join(await temporaryFolder(), 'source.mjs');
  await writeFile(path, text);
  return path;
}

/** A module that is right but for what is given. */
const moduleWith = (fields: Readonly<Record<string, string>>) => {
  const right = {
    kind: `'files'`,
    name: `'mine'`,
    version: `'2'`,
    schema: `kit.z.strictObject({ source: kit.z.literal('mine'), ...kit.datasetFields })`,
    index: `async () => ({ notices: [], manifest: one(kit, 'mine@2') })`,
    open: `(manifest, storage) => new kit.FileReader(manifest, storage)`,
  };
  const body = Object.entries({ ...right, ...fields }).map(([name, value]) => `${name}: ${value}`);
  return moduleOf(`
    const one = (kit, source) => {
      const builder = new kit.FileManifestBuilder({ source, classes: [], fields: [kit.PATH_FIELD] });
      builder.add(kit.encodePath('x'), 1, -1);
      return builder.build();
    };
    export default (kit) => ({ ${body.join(', ')} });`);
};

/** Records of two bytes: a label, a level that fills a 2 x 2 image. */
const RECORDS = `export default ({ z, datasetFields, PATH_FIELD, ShardManifestBuilder, encodePath, readSample }) => ({
  kind: 'shards',
  name: 'records',
  version: '1',
  schema: z.strictObject({ source: z.literal('records'), ...datasetFields }),
  async index(config, storage) {
    const { names, sizes } = await storage.list('');
    const header = { source: 'records@1', classes: ['a', 'b'], fields: [PATH_FIELD] };
    const builder = new ShardManifestBuilder(header);
    for (const name of names.toSorted()) {
      const size = sizes[names.indexOf(name)];
      builder.add(encodePath(name), size, size / 2, null);
    }
    return { manifest: builder.build(), notices: [] };
  },
  open: (manifest, storage) => ({
    size: async () => 12,
    async read(id, signal) {
      const { shard, local } = manifest.locate(id);
      const path = manifest.pathOf(id);
      const [label, level] = await readSample(storage, shard.path, path, { offset: 2 * local, length: 2, signal });
      const data = new Uint8Array(12).fill(level);
      return { pixels: { width: 2, height: 2, data }, label, path, fields: { path } };
    },
    head: async () => null,
    close: () => storage.close(),
  }),
});`;

describe('a third-party source', () => {
  it('finds and reads samples by files of its own', async () => {
    const url = await plankton();
    const sources = await loadSources([EXAMPLE]);
    const config = sources.schema.parse({ source: 'csv-labels', url });
    expect(config).toEqual({ source: 'csv-labels', url, list: 'labels.csv' });
    const { manifest } = await indexDataset(config, { sources });
    expect(manifest).toMatchObject({ source: 'csv-labels@1.0.0', classes: ['copepod', 'diatom'], length: 3 });
    const sample = await openDataset(url, manifest, { sources }).read(1);
    expect(sample).toMatchObject({ label: 1, path: 'y/a, with a comma.jpg' });
    expect(Buffer.from(sample.encoded!).toString()).toBe('y/a, with a comma.jpg');
  });

  it('is one of a mix, and takes a subset', async () => {
    const url = await plankton();
    const sources = await loadSources([EXAMPLE]);
    const dataset = { source: 'csv-labels', url, subset: [2, 0] };
    const config = sources.schema.parse({ source: 'mix', datasets: [{ ...dataset, weight: 2 }, dataset] });
    const { manifest } = await indexDataset(config, { sources });
    expect(manifest.length).toBe(4);
    expect(manifest.pathOf(2)).toContain('x/c.jpg');
  });

  it('may have shards', async () => {
    const url = await temporaryFolder();
    await writeFile(join(url, '0.bin'), Buffer.from([0, 10, 1, 20]));
    await writeFile(join(url, '1.bin'), Buffer.from([1, 30]));
    const sources = await loadSources([await moduleOf(RECORDS)]);
    const { manifest } = await indexDataset(sources.schema.parse({ source: 'records', url }), { sources });
    const sample = await openDataset(url, manifest, { sources }).read(2);
    expect(sample).toMatchObject({ label: 1, path: '1.bin#0' });
    expect(sample.pixels?.data).toEqual(new Uint8Array(12).fill(30));
  });

  it('checks its part of a spec', async () => {
    const { schema } = await loadSources([EXAMPLE]);
    expect(schema.safeParse({ source: 'csv-labels', url: '/x', list: 7 }).success).toBe(false);
    expect(schema.safeParse({ source: 'csv-labels', url: '/x', other: 7 }).success).toBe(false);
    expect(schema.safeParse({ source: 'image-folder', url: '/x' }).success).toBe(true);
  });

  it('has its version in the digest, and reads manifests of that version alone', async () => {
    const url = await temporaryFolder();
    const manifestOf = async (version: string) => {
      const index = `async () => ({ notices: [], manifest: one(kit, 'mine@${version}') })`;
      const sources = await loadSources([await moduleWith({ version: `'${version}'`, index })]);
      return indexDataset(sources.schema.parse({ source: 'mine', url }), { sources });
    };
    const [one, two] = [await manifestOf('1'), await manifestOf('2')];
    expect(one.manifest.digest).not.toBe(two.manifest.digest);
    const sources = await loadSources([await moduleWith({})]);
    openDataset(url, two.manifest, { sources });
    expect(() => openDataset(url, one.manifest, { sources })).toThrow(/"mine@1" is not allowed; .* mine@2;/);
    expect(() => openDataset(url, one.manifest)).toThrow(/others are registered where the service starts/);
  });

  it('tells what is wrong with the data as others do', async () => {
    const sources = await loadSources([EXAMPLE]);
    const index = async (url: string) =>
      indexDataset(sources.schema.parse({ source: 'csv-labels', url }), { sources });
    await expect(index(await plankton('x/b.jpg'))).rejects.toMatchObject({
      code: 'DATASET_MALFORMED',
      problem: 'labels.csv is not valid: line 1 is not `path,class`',
    });
    await expect(index(await plankton('../secret,x'))).rejects.toMatchObject({
      code: expect.stringMatching(/^DATASET_/),
    });
    await expect(index(await temporaryFolder())).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
  });
});

describe('a module that is no source', () => {
  it.each([
    ['name', `'Mine'`, /name: expected lower case words/],
    ['name', `'cifar10'`, /the name cifar10 is taken/],
    ['name', `'mix'`, /the name mix is taken/],
    ['name', `'other'`, /schema: expected a z\.strictObject with source: z\.literal\('other'\)/],
    ['version', 'undefined', /version: /],
    ['version', `'1 @'`, /version: expected letters/],
    ['kind', `'tapes'`, /kind: /],
    ['open', 'null', /open: /],
    ['schema', `undefined`, /schema: expected/],
    ['schema', `kit.z.strictObject({ source: kit.z.string(), ...kit.datasetFields })`, /schema: expected/],
    ['schema', `kit.z.strictObject({ source: kit.z.literal('mine') })`, /schema: expected/],
  ])('with %s: %s', async (field, value, reason) => {
    const taken = /cifar10|'mix'/.test(value);
    const schema = `kit.z.strictObject({ source: kit.z.literal(${value}), ...kit.datasetFields })`;
    const path = await moduleWith({ ...(taken && { schema }), [field]: value });
    await expect(loadSources([path])).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      problem: expect.stringMatching(reason),
    });
  });

  it.each([
    ['export default { name: "mine" };', /its default export is no function/],
    ['throw new Error("not today");', /not today/],
    ['export default () => { throw new Error("not now"); };', /not now/],
    ['export default () => null;', /what its default export gives, itself/],
  ])('of %j', async (text, reason) => {
    const path = await moduleOf(text);
    await expect(loadSources([path])).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      details: { path },
      problem: expect.stringMatching(reason),
    });
  });

  it('that is not there, or there twice', async () => {
    await expect(loadSources(['/nowhere/source.mjs'])).rejects.toMatchObject({ code: 'SOURCE_INVALID' });
    await expect(loadSources([EXAMPLE, EXAMPLE])).rejects.toThrow(/csv-labels is registered twice/);
  });

  it.each([
    [
      'index',
      `async () => ({ notices: [], manifest: one(kit, 'mine') })`,
      /manifest of the source mine; it must be mine@2/,
    ],
    ['index', `async () => undefined`, /manifest of the source undefined/],
    ['index', `async () => null.x`, /Cannot read properties of null/],
  ])('whose %s() is %s', async (field, value, reason) => {
    const sources = await loadSources([await moduleWith({ [field]: value })]);
    const config = sources.schema.parse({ source: 'mine', url: await temporaryFolder() });
    await expect(indexDataset(config, { sources })).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      problem: expect.stringMatching(reason),
    });
  });

  it('whose reader fails in a way of its own', async () => {
    const open = `() => ({ read: async () => null.x, size: async () => 1, head: async () => null, close: async () => {} })`;
    const sources = await loadSources([await moduleWith({ open })]);
    const config = sources.schema.parse({ source: 'mine', url: await temporaryFolder() });
    const { manifest } = await indexDataset(config, { sources });
    await expect(openDataset(locationOf(config), manifest, { sources }).read(0)).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
    });
  });
});
