import { renameSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { spans, useFixture } from '../test-support/fixture.js';

const f = useFixture();

describe('opening runs', () => {
  test('opening again is idempotent; another spec under the name is refused, saying what differs', async () => {
    const run = await f.current.open('run');
    expect((await f.current.catalog.open('default', f.current.specOf('run'))).created).toBe(false);
    expect((await f.current.open('run')).digest).toBe(run.digest);
    await expect(f.current.open('run', { seed: 2 })).rejects.toMatchObject({ code: 'RUN_CONFLICT' });
    await expect(f.current.open('run', { seed: 2 })).rejects.toThrow(/seed/);
  });

  test('a run is opened again from the spec that its info carries', async () => {
    const run = await f.current.open('run');
    await f.current.store.closeRun('default', 'run');
    const again = await f.current.catalog.open('default', JSON.parse(run.info.specJson));
    expect(again).toMatchObject({ created: true, run: { digest: run.digest } });
  });

  test('fewer samples than a batch is an error that names both numbers', async () => {
    await expect(f.current.open('run', { global_batch_size: 64 })).rejects.toThrow(/40.*64/);
  });

  test('two names of one run cut its chunks in one way, and their jobs do not meet', async () => {
    const one = await f.current.open('one', { chunk_size: 4 });
    const { run: two, notices } = await f.current.catalog.open(
      'default',
      f.current.specOf('two', { chunk_size: 8 }),
    );
    expect(two.digest).toBe(one.digest);
    expect(two.info.chunkSize).toBe(4);
    expect(notices.join()).toMatch(/chunk_size is 4 instead of 8/);
    const worker = f.current.worker('w1');
    const first = await f.current.attach(one);
    const second = await f.current.attach(two);
    await worker.makeAll();
    await f.current.clock.advance(0);
    expect(second.ended).toBeNull();
    expect(spans(second.ready)).toEqual(spans(first.ready));
    expect(spans(second.ready)).toHaveLength(4);
  });

  test('a dataset that moved is read at its new place by the runs that are attached already', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    await f.current.attach(run, {}, 4);
    expect((await worker.makeAll()).every(({ url }) => url === f.current.folder)).toBe(true);
    const moved = `${f.current.folder}-moved`;
    renameSync(f.current.folder, moved);
    const dataset = { source: 'image-folder', url: moved };
    expect(await f.current.catalog.open('default', f.current.specOf('run', { dataset }))).toMatchObject({
      created: false,
    });
    const late = await f.current.attach(run, { consumer: 'late' }, 4, 2);
    expect((await worker.makeAll()).map(({ url }) => url)).toEqual(Array(4).fill(moved));
    expect(late.ended).toBeNull();
    renameSync(moved, f.current.folder);
  });

  test('large views get chunks of fewer samples; a sample that fits none is refused', async () => {
    const views = { view: { size: 2048 }, other: { size: 2048 } };
    const { run, notices } = await f.current.catalog.open(
      'default',
      f.current.specOf('large', { views, chunk_size: 64 }),
    );
    expect(run.chunkSize).toBe(10); // 256 MiB over 2 x 3 x 2048 x 2048 bytes and some
    expect(notices.join()).toMatch(/chunk_size is 10 instead of 64/);
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`view_${i}`, { size: 2048 }]));
    await expect(f.current.open('huge', { views: many })).rejects.toMatchObject({ code: 'CHUNK_TOO_LARGE' });
  });

  test('a field to leave out must be one that the samples have', async () => {
    await expect(f.current.open('run', { exclude_fields: ['pth'] })).rejects.toThrow(
      /exclude_fields.*"pth".*path/,
    );
  });

  test('runs are as many as the limit, counting those that are open', async () => {
    for (let i = 0; i < 5; i++) await f.current.open(`run-${i}`, { seed: i });
    await expect(f.current.open('one-too-many')).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await expect(f.current.open('run-3', { seed: 3 })).resolves.toBeDefined();
  });

  test('without a name the only run is found; of several, their names are told', async () => {
    await expect(f.current.catalog.byName('default', '')).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    const run = await f.current.open('run');
    expect(await f.current.catalog.byName('default', '')).toBe(run);
    await f.current.open('other', { seed: 2 });
    await expect(f.current.catalog.byName('default', '')).rejects.toThrow(
      /several runs are open: run, other/,
    );
  });
});
