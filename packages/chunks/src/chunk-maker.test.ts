import { rmSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { loadTransforms } from '@cropstream/augment';
import { ChunkMaker, type ChunkMakerOptions, type MadeChunk } from '@cropstream/chunks';
import { SubstituteOrder } from '@cropstream/schedule';
import { afterEach, describe, expect, it } from 'vitest';
import { folderOf, goodFiles, image, type Run, runOver } from '../test-support/dataset.js';

const makers: ChunkMaker[] = [];
afterEach(async () => {
  await Promise.all(makers.splice(0).map((maker) => maker.close()));
});

async function maker(run: Run, options: Partial<ChunkMakerOptions> = {}): Promise<ChunkMaker> {
  const made = await ChunkMaker.create({ ...run, threads: 1, ...options });
  makers.push(made);
  return made;
}

/** The bytes of one column. */
function column(chunk: MadeChunk, name: string): Buffer {
  let offset = 0;
  for (const { name: known, bytes } of chunk.columns) {
    if (known === name) return Buffer.from(chunk.payload.slice(offset, offset + bytes));
    offset += bytes;
  }
  throw new Error(`no column ${name}`);
}

function integers(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 8 }, (_, i) => Number(bytes.readBigInt64LE(8 * i)));
}

function strings(bytes: Buffer): string[] {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    rows.push(bytes.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  return rows;
}

describe('ChunkMaker', () => {
  it('lays out views, indices, labels, fields and parameters as the protocol says', async () => {
    const run = await runOver(folderOf(await goodFiles(6)));
    const chunk = await (await maker(run)).make({ epoch: 0, indices: [4, 1, 5] });
    const names = run.spec.views.map(({ name }) => name);
    expect(chunk.columns.map(({ name }) => name)).toEqual([
      ...names,
      '_indices',
      'labels',
      'path',
      ...names.map((name) => `params/${name}`),
    ]);
    expect(chunk.columns[0]).toEqual({
      name: 'global',
      dtype: 'float32',
      shape: [3, 24, 24],
      bytes: 3 * 4 * 3 * 24 * 24,
    });
    expect(chunk.columns[1]).toMatchObject({ name: 'local_0', dtype: 'uint8', shape: [3, 12, 12] });
    expect(chunk.columns.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(chunk.payloadBytes);
    expect(chunk.payload.byteLength).toBe(chunk.payloadBytes);
    expect(chunk.crc32).toBe(crc32(Buffer.from(chunk.payload)));
    expect(integers(column(chunk, '_indices'))).toEqual([4, 1, 5]);
    expect(integers(column(chunk, 'labels'))).toEqual([0, 0, 0]);
    expect(strings(column(chunk, 'path'))).toEqual([4, 1, 5].map((id) => run.manifest.pathOf(id)));
    const box = column(chunk, 'params/global');
    expect(box.readFloatLE(8)).toBeGreaterThan(0);
    expect(chunk.samples).toBe(3);
    expect(chunk.substitutions).toEqual([]);
  });

  it('leaves excluded fields out', async () => {
    const run = await runOver(folderOf(await goodFiles(4)), { exclude_fields: ['path'] });
    const chunk = await (await maker(run)).make({ epoch: 0, indices: [0] });
    expect(chunk.columns.map(({ name }) => name)).not.toContain('path');
  });

  it('gives a sample the same rows in every chunk, with any threads and either decoder', async () => {
    const run = await runOver(folderOf(await goodFiles(12)));
    const indices = [3, 0, 7, 11, 2, 9, 1, 4, 8, 10, 6, 5];
    const reference = await (await maker(run)).make({ epoch: 3, indices });
    for (const options of [{ threads: 4 }, { threads: 2, decoder: 'sharp' as const }]) {
      const other = await maker(run, options);
      const [first, again] = await Promise.all([
        other.make({ epoch: 3, indices }),
        other.make({ epoch: 3, indices }),
      ]);
      expect(first.crc32).toBe(reference.crc32);
      expect(again.crc32).toBe(reference.crc32);
    }
    const alone = await makers[0]!.make({ epoch: 3, indices: [9] });
    const rowBytes = 4 * 3 * 24 * 24;
    const row = indices.indexOf(9);
    expect(column(alone, 'global')).toEqual(
      column(reference, 'global').subarray(row * rowBytes, (row + 1) * rowBytes),
    );
    const nextEpoch = await makers[0]!.make({ epoch: 4, indices });
    expect(nextEpoch.crc32).not.toBe(reference.crc32);
  });

  it("uses a released chunk's memory again", async () => {
    const run = await runOver(folderOf(await goodFiles(4)));
    const made = await maker(run);
    const first = await made.make({ epoch: 0, indices: [0, 1] });
    const memory = first.payload.buffer;
    first.release();
    first.release();
    const second = await made.make({ epoch: 0, indices: [2, 3] });
    expect(second.payload.buffer).toBe(memory);
    const third = await made.make({ epoch: 0, indices: [0, 1] });
    expect(third.payload.buffer).not.toBe(memory);
    expect(third.crc32).toBe(first.crc32);
  });

  it('makes room for fields that are longer than foreseen', async () => {
    const files = await goodFiles(2);
    const run = await runOver(folderOf({ [`${'ä'.repeat(100)}.jpg`]: files['0000.jpg']!, ...files }));
    const roomy = await (await maker(run)).make({ epoch: 0, indices: [0, 1, 2] });
    const tight = await (await maker(run, { limits: { fieldBytes: 0 } })).make({
      epoch: 0,
      indices: [0, 1, 2],
    });
    expect(tight.crc32).toBe(roomy.crc32);
    const many = Array.from({ length: 900 }, (_, i) => i % 3);
    const [a, b] = await Promise.all(makers.map((each) => each.make({ epoch: 0, indices: many })));
    expect(a!.crc32).toBe(b!.crc32);
  });

  it('refuses a chunk over the limit, naming both', async () => {
    const run = await runOver(folderOf(await goodFiles(4)));
    const made = await maker(run, { limits: { maxChunkBytes: 100_000 } });
    await expect(made.make({ epoch: 0, indices: Array(64).fill(0) })).rejects.toMatchObject({
      code: 'CHUNK_TOO_LARGE',
      details: { limit: 100_000 },
    });
  });

  it('ends when aborted', async () => {
    const run = await runOver(folderOf(await goodFiles(4)));
    const made = await maker(run);
    const stop = new AbortController();
    const chunk = made.make({ epoch: 0, indices: Array(200).fill(1) }, stop.signal);
    stop.abort();
    await expect(chunk).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(made.make({ epoch: 0, indices: [0] })).resolves.toMatchObject({ samples: 1 });
  });
});

describe('bad samples', async () => {
  const good = await goodFiles(8);
  const whole = await image(99);
  const bad = {
    'b-truncated.jpg': { bytes: whole.subarray(0, whole.length >> 1), code: 'SAMPLE_UNDECODABLE' },
    'b-empty.jpg': { bytes: Buffer.alloc(0), code: 'SAMPLE_UNDECODABLE' },
    'b-text.jpg': { bytes: Buffer.from('no image at all'), code: 'SAMPLE_UNSUPPORTED' },
    'b-damaged.png': { bytes: (await image(5, 'png')).subarray(0, 200), code: 'SAMPLE_UNDECODABLE' },
    'b-pdf.jpg': { bytes: Buffer.from('%PDF-1.4 nothing'), code: 'SAMPLE_UNSUPPORTED' },
    'b-long.jpg': { bytes: Buffer.alloc((1 << 20) + 1), code: 'SAMPLE_OVER_LIMIT' },
    'b-huge.jpg': { bytes: await image(5, 'jpeg', 200, 100), code: 'SAMPLE_OVER_LIMIT' },
  };
  const limits = { max_bytes: 1 << 20, max_pixels: 12_000 };
  const folder = folderOf({
    ...good,
    ...Object.fromEntries(Object.entries(bad).map(([name, { bytes }]) => [name, bytes])),
  });

  it.each(['auto', 'sharp'] as const)('are substituted by the keyed order, decoder %s', async (decoder) => {
    const run = await runOver(folder, { limits });
    const badIds = Object.keys(bad).map(
      (name) =>
        Array.from({ length: run.manifest.length }, (_, id) => id).find((id) =>
          run.manifest.pathOf(id).endsWith(name),
        )!,
    );
    const isGood = (id: number) => !badIds.includes(id);
    const made = await maker(run, { threads: 2, decoder });
    const chunk = await made.make({ epoch: 2, indices: badIds });
    const expected = badIds.map((id) => {
      const order = new SubstituteOrder({ seed: 7, epoch: 2, sampleId: id, length: run.manifest.length });
      for (let k = 0; ; k++) if (isGood(order.probe(k))) return order.probe(k);
    });
    expect(integers(column(chunk, '_indices'))).toEqual(expected);
    expect(strings(column(chunk, 'path'))).toEqual(expected.map((id) => run.manifest.pathOf(id)));
    expect(chunk.substitutions).toEqual(
      Object.entries(bad).map(([name, { code }], row) => ({
        row,
        originalIndex: badIds[row],
        deliveredIndex: expected[row],
        path: run.manifest.pathOf(badIds[row]!),
        code,
        reason: expect.stringContaining(name),
      })),
    );
    const straight = await made.make({ epoch: 2, indices: expected });
    expect(straight.crc32).toBe(chunk.crc32);
  });

  it('are never made of slivers that a view keeps a window of, and are what no kernel can take', async () => {
    // Resized to 256, these would be 256 x 4,096,000; the crop keeps 224 rows of that.
    const sliver = (height: number) =>
      Buffer.concat([Buffer.from(`P5 1 ${height} 255\n`), Buffer.alloc(height, 9)]);
    const url = folderOf({ 'a.jpg': await image(1), 'b.pgm': sliver(16_000), 'c.pgm': sliver(200_000) });
    const windowed = await runOver(url, { recipe: 'eval', views: undefined, on_bad_sample: 'fail' });
    const slivers = await (await maker(windowed)).make({ epoch: 0, indices: [1, 2] });
    const levels = new Set(column(slivers, windowed.spec.views[0]!.name));
    expect([...levels]).toEqual([9]);
    const whole = { view: { transforms: [{ resize: [16, 2048] }] } };
    const made = await maker(await runOver(url, { views: whole }));
    expect((await made.make({ epoch: 0, indices: [1, 2] })).substitutions).toMatchObject([
      {
        row: 1,
        path: 'class-0/c.pgm',
        code: 'SAMPLE_OVER_LIMIT',
        reason: expect.stringContaining('2048 x 200000'),
      },
    ]);
  });

  it('end the chunk with their own error under on_bad_sample: fail', async () => {
    const run = await runOver(folder, { limits, on_bad_sample: 'fail' });
    const made = await maker(run);
    const everything = Array.from({ length: run.manifest.length }, (_, id) => id);
    await expect(made.make({ epoch: 0, indices: everything })).rejects.toMatchObject({
      code: expect.stringMatching(/^SAMPLE_/),
      details: { path: expect.stringContaining('b-') },
    });
  });

  it('end it too when no stand-in is good', async () => {
    const text = Buffer.from('text');
    const run = await runOver(folderOf({ 'a.jpg': text, 'b.jpg': text, 'c.jpg': text, 'd.jpg': text }));
    await expect((await maker(run)).make({ epoch: 0, indices: [2] })).rejects.toMatchObject({
      code: 'NO_GOOD_SAMPLE',
      details: { probes: 3, path: expect.stringContaining('c.jpg') },
    });
  });

  it('are never what could not be read', async () => {
    const url = folderOf(await goodFiles(4));
    const run = await runOver(url);
    rmSync(`${url}/class-0/0001.jpg`);
    await expect((await maker(run)).make({ epoch: 0, indices: [0, 1] })).rejects.toMatchObject({
      code: 'DATASET_CHANGED',
    });
  });
});

describe('a compute thread', () => {
  /** A run whose transform does `body` while the file `flag` is there. */
  async function misbehaving(body: string) {
    const url = folderOf({ ...(await goodFiles(4)) });
    const [flag, transform] = [`${url}/flag`, `${url}/transform.mjs`];
    writeFileSync(flag, '');
    writeFileSync(
      transform,
      `import { existsSync } from 'node:fs';
      export default { name: 'misbehave', version: '1', sample: () => ({}), apply(image) {
        if (existsSync(${JSON.stringify(flag)})) { ${body} }
        return image;
      } };`,
    );
    const registry = await loadTransforms([transform]);
    const view = { v: { size: 12, scale: [0.4, 1], transforms: ['misbehave'] } };
    const run = await runOver(url, { views: view }, registry);
    return { flag, made: await maker(run, { threads: 2, transforms: [transform] }) };
  }

  it('that dies fails the chunk it worked on, and another takes its place', async () => {
    const { flag, made } = await misbehaving('process.exit(3)');
    await expect(made.make({ epoch: 0, indices: [0, 1, 2, 3] })).rejects.toThrow(/exited/);
    rmSync(flag);
    await expect(made.make({ epoch: 0, indices: [0, 1, 2, 3] })).resolves.toMatchObject({ samples: 4 });
  });

  it('reports what a third-party transform did wrong, and goes on', async () => {
    const { flag, made } = await misbehaving('throw new Error("oops")');
    await expect(made.make({ epoch: 0, indices: [0, 1] })).rejects.toMatchObject({
      code: 'TRANSFORM_INVALID',
    });
    rmSync(flag);
    await expect(made.make({ epoch: 0, indices: [0, 1] })).resolves.toMatchObject({ samples: 2 });
  });
});
