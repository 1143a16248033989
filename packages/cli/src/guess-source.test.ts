import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guessSource, placeOf } from './guess-source.js';

describe('placeOf', () => {
  test.each([
    ['s3://bucket/a/train-{000..146}.tar', 's3://bucket/a', 'train-{000..146}.tar'],
    ['s3://bucket/{a,b}/train-0.tar', 's3://bucket', '{a,b}/train-0.tar'],
    ['s3://bucket/one.tar', 's3://bucket', 'one.tar'],
    ['/data/*.parquet', '/data', '*.parquet'],
    ['/one.TAR', '/', 'one.TAR'],
    ['shards/one.tar', resolve('shards'), 'one.tar'],
    ['one.tar', resolve('.'), 'one.tar'],
    ['s3://bucket/a b/', 's3://bucket/a b/', undefined],
    ['data/{odd}', resolve('data/{odd}'), undefined],
  ])('%s', (data, url, shards) => {
    expect(placeOf(data)).toEqual(shards === undefined ? { url } : { url, shards });
  });
});

test.each(['s3:/bucket/x', 's3:bucket', 'HTTPS:/host/x'])('%s has a slash too few', (data) => {
  expect(() => placeOf(data)).toThrow(/two slashes: \w+:\/\/[bh]/);
});

describe('guessSource', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cropstream-guess-'));
    for (const path of [
      'lit/index.json',
      'wids/shardindex.json',
      'tars/notes.txt',
      'tars/b-000001.tar',
      'hf/data-0.parquet',
      'hub/data/train-00000-of-00001.parquet',
      'ten/data_batch_1.bin',
      'outer/cifar-10-batches-bin/test_batch.bin',
      'hundred/cifar-100-binary/fine_label_names.txt',
      'images/cat/1.jpg',
      'images/index.json',
    ]) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), '');
    }
    await writeFile(join(folder, 'lit/index.json'), '{"chunks": [], "config": {}}');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    ['lit', 'litdata', 'lit'],
    ['wids', 'webdataset', 'wids'],
    ['tars', 'webdataset', 'tars'],
    ['hf', 'parquet', 'hf'],
    ['hub', 'parquet', 'hub'],
    ['ten', 'cifar10', 'ten'],
    ['outer', 'cifar10', 'outer/cifar-10-batches-bin'],
    ['hundred', 'cifar100', 'hundred/cifar-100-binary'],
    ['images', 'image-folder', 'images'],
    ['nowhere', 'image-folder', 'nowhere'],
  ])('%s is %s', async (data, source, url) => {
    expect(await guessSource(join(folder, data))).toMatchObject({ source, url: join(folder, url) });
  });

  test('shards that are named are what their names say', async () => {
    const guess = await guessSource('s3://bucket/train-{0..9}.tar');
    expect(guess).toMatchObject({ source: 'webdataset', url: 's3://bucket', shards: 'train-{0..9}.tar' });
  });

  test('a place that nobody can read is told of when it is indexed', async () => {
    expect(await guessSource('ftp://host/x')).toMatchObject({ source: 'image-folder', url: 'ftp://host/x' });
  });
});
