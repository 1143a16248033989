import { constants } from 'node:fs';
import { access, mkdir, open, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { type CropstreamError, failure } from '@cropstream/errors';

/** An error of the file system, or of anything else, as one of the table that names the place. */
export function unwritable(path: string, error: unknown): CropstreamError {
  return failure('OUTPUT_UNWRITABLE', { path, reason: reasonOf(error) }, { cause: error });
}

/** "permission denied" without the call and the path that Node's message repeats. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errno } = error as NodeJS.ErrnoException;
  return (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? error.message;
}

/**
 * Asks whether a file could be written, before anything is computed for it; nothing is made or touched.
 * @throws OUTPUT_UNWRITABLE
 */
export async function checkOutputFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) throw failure('OUTPUT_UNWRITABLE', { path, reason: 'it is a folder' });
  if (found !== null) return mayWrite(path, path);
  const folder = dirname(resolve(path));
  const above = await stat(folder).catch((error: unknown) => {
    throw unwritable(path, error);
  });
  if (!above.isDirectory()) throw failure('OUTPUT_UNWRITABLE', { path, reason: `${folder} is not a folder` });
  await mayWrite(folder, path);
}

/**
 * Asks whether a folder could be filled, or made first. As `checkOutputFile`.
 * @throws OUTPUT_UNWRITABLE
 */
export async function checkOutputFolder(path: string): Promise<void> {
  let existing = resolve(path);
  let found = await stat(existing).catch(() => null);
  while (found === null && dirname(existing) !== existing) {
    existing = dirname(existing);
    found = await stat(existing).catch(() => null);
  }
  if (found !== null && !found.isDirectory()) {
    throw failure('OUTPUT_UNWRITABLE', { path, reason: `${existing} is not a folder` });
  }
  await mayWrite(existing, path);
}

async function mayWrite(existing: string, path: string): Promise<void> {
  await access(existing, constants.W_OK).catch((error: unknown) => {
    throw unwritable(path, error);
  });
}

/** @throws OUTPUT_UNWRITABLE */
export async function makeOutputFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw unwritable(path, error);
  });
}

/** @throws OUTPUT_UNWRITABLE */
export async function writeOutput(path: string, data: string | Uint8Array): Promise<void> {
  await writeFile(path, data).catch((error: unknown) => {
    throw unwritable(path, error);
  });
}

/** A file that grows; whatever goes wrong with it is OUTPUT_UNWRITABLE. */
export interface OutputFile {
  write(text: string): Promise<void>;
  close(): Promise<void>;
}

/** @throws OUTPUT_UNWRITABLE */
export async function openOutput(path: string): Promise<OutputFile> {
  const refuse = (error: unknown): never => {
    throw unwritable(path, error);
  };
  const file = await open(path, 'w').catch(refuse);
  return {
    write: async (text) => {
      await file.write(text).catch(refuse);
    },
    close: () => file.close().catch(refuse),
  };
}
