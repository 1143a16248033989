import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Batch, MultiCropLoader } from '@cropstream/client';
import { freePort } from '@cropstream/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { globalDigest, joined } from './global-stream.js';
import { makeImages, run, runJson, type Served, serve, temporaryFolder } from './harness.js';

interface PullResult {
  readonly digest: string;
  readonly steps: number;
  readonly images: number;
  readonly substituted: number;
}

const folder = temporaryFolder();
const data = join(folder.path, 'images');
const recipe = ['--data', data, '--recipe', 'dino', '--global-batch-size', '8', '--seed', '5'];
const EPOCH = 3;

let served: Served;

const pull = (target: string, ...more: string[]) =>
  runJson<PullResult>(['pull', '--target', target, ...more]);

beforeAll(async () => {
  await makeImages(data, 30);
  served = await serve(recipe);
});

afterAll(async () => {
  await served?.stop();
  folder.remove();
});

/** Draws steps [from, to) as one rank. */
async function draw(
  rank: number,
  worldSize: number,
  from: number,
  to: number,
  consumer: string,
): Promise<Batch[]> {
  const target = served.target;
  const loader = await MultiCropLoader.open({
    target,
    rank,
    worldSize,
    startStep: from,
    endStep: to,
    endless: true,
    consumer,
  });
  const batches: Batch[] = [];
  for await (const batch of loader) batches.push(batch);
  await loader.close();
  return batches;
}

describe('one stream, whatever makes it', () => {
  test('the digest is the same again, with 1 or 4 threads, several cells, and either decoder; another seed gives another', async () => {
    const steps = ['--steps', String(3 * EPOCH)];
    const first = await pull(served.target, ...steps);
    expect(first).toMatchObject({ steps: 9, images: 72, substituted: 0 });
    expect((await pull(served.target, ...steps)).digest).toBe(first.digest);
    for (const variant of [
      ['--threads', '1', '--decoder', 'sharp'],
      ['--threads', '4', '--cells', '2', '--decoder', 'turbojpeg'],
    ]) {
      const other = await serve([...recipe, ...variant]);
      expect((await pull(other.target, ...steps)).digest).toBe(first.digest);
      expect(await other.stop()).toBe(0);
    }
    const other = await serve([...recipe, '--seed', '6']);
    expect((await pull(other.target, ...steps)).digest).not.toBe(first.digest);
    await other.stop();
  });

  test('replay makes any batch again from the flags alone', async () => {
    const digests = join(folder.path, 'digests.txt');
    const { digest } = await pull(served.target, '--steps', '7', '--digests', digests);
    const lines = readFileSync(digests, 'utf8').trim().split('\n');
    expect(lines).toHaveLength(7);
    const again = await runJson<{ digest: string }>(['replay', ...recipe, '--steps', '7']);
    expect(again.digest).toBe(digest);
    const fifth = await runJson<{ digest: string }>(['replay', ...recipe, '--step', '5']);
    expect(lines[5]).toBe(`5 ${fifth.digest}`);
  });

  test('world sizes 1, 2, 4 and 8 draw one global stream', async () => {
    const streams = new Set<string>();
    for (const worldSize of [1, 2, 4, 8]) {
      const ranks = await Promise.all(
        Array.from({ length: worldSize }, (_, rank) => draw(rank, worldSize, 0, 5, `world-${worldSize}`)),
      );
      streams.add(globalDigest(ranks));
    }
    expect(streams.size).toBe(1);
  });

  test('resuming at any step gives the rest of the same stream', async () => {
    const whole = await draw(0, 1, 0, 7, 'whole');
    for (const from of [1, 3, 5]) {
      const rest = await draw(0, 1, from, 7, `from-${from}`);
      expect(globalDigest([rest])).toBe(globalDigest([whole.slice(from)]));
    }
  });

  test('the world may change between steps', async () => {
    const whole = globalDigest([await draw(0, 1, 0, 6, 'w1')]);
    const before = await Promise.all([0, 1].map((rank) => draw(rank, 2, 0, 3, 'growing')));
    const after = await Promise.all([0, 1, 2, 3].map((rank) => draw(rank, 4, 3, 6, 'growing')));
    const steps = [...(before[0] as Batch[]).keys()].map((i) => joined(before.map((b) => b[i] as Batch)));
    steps.push(...[...(after[0] as Batch[]).keys()].map((i) => joined(after.map((b) => b[i] as Batch))));
    expect(globalDigest([steps])).toBe(whole);
  });
});

describe('trainers that misbehave', () => {
  test('one that is killed resumes from its state, with the same data', async () => {
    const whole = await draw(0, 1, 0, 6, 'unbroken');
    const loader = await MultiCropLoader.open({ target: served.target, consumer: 'killed', endless: true });
    const batches: Batch[] = [];
    for await (const batch of loader) {
      batches.push(batch);
      if (batches.length === 2) break;
    }
    const state = JSON.parse(JSON.stringify(loader.stateDict()));
    await loader.close();
    const resumed = await MultiCropLoader.open({
      target: served.target,
      consumer: 'killed',
      endless: true,
      state,
    });
    for await (const batch of resumed) {
      batches.push(batch);
      if (batches.length === 6) break;
    }
    await resumed.close();
    expect(globalDigest([batches])).toBe(globalDigest([whole]));
  });

  test('one that stalls holds no other up', async () => {
    const stalled = await MultiCropLoader.open({ target: served.target, consumer: 'stalled', endless: true });
    const iterator = stalled[Symbol.asyncIterator]();
    await iterator.next();
    const other = await draw(0, 1, 0, 12, 'beside-it');
    expect(other).toHaveLength(12);
    await stalled.close();
  });

  test('a second process of a rank is refused, and says why', async () => {
    const first = await MultiCropLoader.open({ target: served.target, consumer: 'twice', endless: true });
    const iterator = first[Symbol.asyncIterator]();
    await iterator.next();
    await expect(draw(0, 1, 0, 1, 'twice')).rejects.toMatchObject({ code: 'RANK_TAKEN' });
    await first.close();
  });
});

describe('bad samples', () => {
  const bad = join(folder.path, 'bad');

  beforeAll(async () => {
    await makeImages(bad, 20);
    const good = readFileSync(join(bad, 'class-0', '0.jpg'));
    const target = join(bad, 'class-1');
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, 'empty.jpg'), '');
    writeFileSync(join(target, 'truncated.jpg'), good.subarray(0, good.length / 2));
    writeFileSync(join(target, 'text.jpg'), 'this is no image');
    writeFileSync(
      join(target, 'heic.jpg'),
      Buffer.concat([Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), Buffer.alloc(64)]),
    );
  });

  test('under substitute every epoch completes, the same every time, and each substitution is told', async () => {
    const flags = [
      '--data',
      bad,
      '--recipe',
      'lesson-cifar10',
      '--global-batch-size',
      '8',
      '--on-bad-sample',
      'substitute',
    ];
    const results: PullResult[] = [];
    for (const threads of ['1', '2']) {
      const service = await serve([...flags, '--threads', threads]);
      expect(service.log()).toMatch(/heic/i);
      const { stdout, stderr } = await run(['pull', '--target', service.target, '--epochs', '2', '--json']);
      for (const name of ['empty.jpg', 'truncated.jpg', 'text.jpg', 'heic.jpg'])
        expect(stderr).toContain(name);
      results.push(JSON.parse(stdout));
      await service.stop();
    }
    expect(results[0]).toMatchObject({ steps: 6, images: 48, substituted: 8 });
    expect(results[1]?.digest).toBe(results[0]?.digest);
  });

  test('under fail the run ends with the name of the sample', async () => {
    const service = await serve([
      '--data',
      bad,
      '--recipe',
      'lesson-cifar10',
      '--global-batch-size',
      '8',
      '--on-bad-sample',
      'fail',
    ]);
    const { code, stderr } = await run(['pull', '--target', service.target, '--epochs', '1']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/class-1\/(empty|truncated|text|heic)\.jpg/);
    expect(await service.stop()).toBe(0);
  });
});

describe('the service as its operator meets it', () => {
  test('a busy port is named with a free one', async () => {
    const port = served.target.split(':')[1] as string;
    const { code, stderr } = await run(['serve', ...recipe, '--port', port, '--http-port', '0']);
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`port ${port} is in use`));
    expect(stderr).toMatch(/set --port \d+/);
  });

  test('an address of another machine is refused, naming the flag', async () => {
    const { code, stderr } = await run([
      'serve',
      ...recipe,
      '--host',
      '192.0.2.1',
      '--port',
      '0',
      '--http-port',
      '0',
    ]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/host: 192\.0\.2\.1 is not allowed; expected an address of this machine/);
  });

  test('trainers are told the name that it advertises', async () => {
    const child = await serve([...recipe, '--advertise', 'localhost']);
    expect(child.target).toMatch(/^localhost:\d+$/);
    expect(child.ready.workers).toEqual([expect.stringMatching(/^localhost:\d+$/)]);
    expect(await pull(child.target, '--steps', '2')).toMatchObject({ steps: 2 });
    await child.stop();
  });

  test('a trainer that comes before the run is open waits for it', async () => {
    const port = String(await freePort('127.0.0.1'));
    const waiting = pull(`127.0.0.1:${port}`, '--steps', '2');
    const child = await serve(recipe, {}, port);
    expect(await waiting).toMatchObject({ steps: 2, images: 16 });
    await child.stop();
  });

  test('a folder of files that are no images is refused at once', async () => {
    const none = join(folder.path, 'none');
    mkdirSync(none);
    for (const name of ['a.jpg', 'b.jpg']) writeFileSync(join(none, name), 'text');
    const { code, stderr } = await run(['serve', '--data', none, '--port', '0', '--http-port', '0']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/2 files, none of which can be decoded/);
  });

  test('probes and metrics answer, and the limits are among them', async () => {
    const ready = await fetch(`${served.http}/readyz`);
    expect(ready.status).toBe(200);
    const metrics = await (await fetch(`${served.http}/metrics`)).text();
    expect(metrics).toMatch(/cropstream_worker_samples_made_total \d+/);
    expect(metrics).toMatch(/cropstream_coordinator_limit\{limit="max_window_chunks"\} 4096/);
  });

  test('a folder that does not exist is a clear error', async () => {
    const { code, stderr } = await run([
      'serve',
      '--data',
      join(folder.path, 'nowhere'),
      '--port',
      '0',
      '--http-port',
      '0',
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('DATASET_NOT_FOUND');
  });
});
