import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalStorage as Built } from '@cropstream/datasets';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test-support/folders.js';
import { LocalStorage as Source } from '../index.js';
import { encodePath } from '../paths.js';

/** Two folders of more files than are looked at by calls, with sizes of their own; what a listing is to find in each. */
async function manyFiles() {
  const root = await temporaryFolder();
  const folders = ['', 'below'].map((folder) => {
    mkdirSync(join(root, folder), { recursive: true });
    const expected = new Map<string, number>();
    const add = (name: string, size: number) => {
      const path = Buffer.concat([Buffer.from(`${join(root, folder)}/`), encodePath(name)]);
      writeFileSync(path, new Uint8Array(size));
      expected.set(name, size);
    };
    for (let i = 0; i < 2_500; i++) add(`${i}.jpg`, i % 97);
    add('é €😀.jpg', 3);
    return { folder, expected, add };
  });
  // One name is not UTF-8; with U+FFFD in place of the byte it would be the other.
  folders[1]?.add('not-utf8-\udcff.jpg', 11);
  folders[1]?.add('not-utf8-\ufffd.jpg', 12);
  symlinkSync('0.jpg', join(root, 'link.jpg'));
  folders[0]?.expected.set('link.jpg', 0);
  symlinkSync('nowhere', join(root, 'dangling.jpg'));
  return { root, folders };
}

describe.each([
  ['on a thread', Built],
  // TypeScript's sources have no file that a thread could run.
  ['by calls, where no thread can be had', Source],
])('sizes of many files, %s', (_, Storage) => {
  it('are those of each file, links and names that are not UTF-8 among them', async () => {
    const { root, folders } = await manyFiles();
    const storage = new Storage(root);
    for (const { folder, expected } of folders) {
      let files = 0;
      let bytes = 0;
      const skipped: string[] = [];
      const { names, sizes } = await storage.list(folder, {
        found(count, size) {
          files += count;
          bytes += size;
        },
        skipped: (path) => skipped.push(path),
      });
      expect(new Map(names.map((name, i) => [name, sizes[i]]))).toEqual(expected);
      expect(files).toBe(expected.size);
      expect(bytes).toBe([...expected.values()].reduce((sum, size) => sum + size, 0));
      expect(skipped).toEqual(folder === '' ? ['dangling.jpg'] : []);
    }
    await storage.close();
  });

  it('stop being looked up when that is aborted', async () => {
    const { root } = await manyFiles();
    const aborter = new AbortController();
    const storage = new Storage(root);
    const found = () => aborter.abort(new Error('enough'));
    await expect(storage.list('', { found, signal: aborter.signal })).rejects.toThrow('enough');
    await storage.close();
  });
});
