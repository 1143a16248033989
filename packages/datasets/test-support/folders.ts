/** Temporary folders for tests, made of lists of entries and removed when the test ends. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { encodePath } from '../src/paths.js';

/** An empty folder. */
export async function temporaryFolder(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'cropstream-datasets-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return root;
}

/**
 * A folder with entries in it: `folder/` makes a folder, `path` a file whose bytes are its path,
 * `path -> target` a link. Names may have escaped bytes, as in paths.ts.
 */
export async function folderOf(entries: readonly string[]): Promise<string> {
  const root = await temporaryFolder();
  for (const entry of entries) {
    const [path = '', target] = entry.split(' -> ');
    const full = absolute(root, path);
    await mkdir(parentOf(root, path), { recursive: true });
    if (target !== undefined) await symlink(target, full);
    else if (!path.endsWith('/')) await writeFile(full, encodePath(path));
  }
  return root;
}

function absolute(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), encodePath(path)]);
}

function parentOf(root: string, path: string): Buffer {
  return absolute(root, path.slice(0, path.lastIndexOf('/') + 1));
}
