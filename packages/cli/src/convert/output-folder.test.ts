import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OutputFolder } from './output-folder.js';

let root: string;
let next = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cropstream-convert-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const place = () => join(root, String(next++));
const RECORD = { dataset: 'abc', to: 'litdata', quality: null };

test('is taken up again by the same conversion, with what is in it', async () => {
  const path = place();
  const first = await OutputFolder.open(path, RECORD);
  await first.write('a.bin', Buffer.from('12345'));
  expect(await first.sizeOf('a.bin')).toBe(5);
  const again = await OutputFolder.open(path, RECORD);
  expect(await again.sizeOf('a.bin')).toBe(5);
  expect(await again.sizeOf('b.bin')).toBeNull();
});

test('refuses another conversion, and names what is different', async () => {
  const path = place();
  await OutputFolder.open(path, RECORD);
  await expect(OutputFolder.open(path, { ...RECORD, to: 'webdataset', quality: 90 })).rejects.toMatchObject({
    code: 'OUTPUT_UNWRITABLE',
    problem: expect.stringContaining('begun with to litdata, not webdataset; quality none, not 90'),
  });
});

test('refuses a folder with anything else in it', async () => {
  const path = place();
  await OutputFolder.open(path, RECORD);
  await rm(join(path, '.cropstream-convert.json'));
  await writeFile(join(path, 'mine.txt'), 'mine');
  await expect(OutputFolder.open(path, RECORD)).rejects.toMatchObject({
    problem: expect.stringContaining('it is not empty, and holds no conversion'),
  });
});

test('clears away the parts of files that a kill left', async () => {
  const path = place();
  const folder = await OutputFolder.open(path, RECORD);
  await folder.write('a.bin', Buffer.from('1'));
  await writeFile(join(path, '.cropstream-0123456789abcdef.part'), 'half');
  await OutputFolder.open(path, RECORD);
  expect((await readdir(path)).toSorted()).toEqual(['.cropstream-convert.json', 'a.bin']);
});

test('a record that is no record is named', async () => {
  const path = place();
  await OutputFolder.open(path, RECORD);
  await writeFile(join(path, '.cropstream-convert.json'), 'no');
  await expect(OutputFolder.open(path, RECORD)).rejects.toMatchObject({
    problem: expect.stringContaining('.cropstream-convert.json cannot be read'),
  });
});
