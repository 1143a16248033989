import { failure } from '@cropstream/errors';
import * as z from 'zod';
import { type Storage, StorageError } from '../storage/storage.js';

/**
 * The names of the classes beside shards whose format has no place for them: a JSON list, a label being a place in it. As
 * LitData's and WebDataset's own libraries read no such file, it does not disturb them.
 */
export const CLASSES_FILE = 'classes.json';

/** 21,000 classes of ImageNet's longest names take 1 MB. */
const MAX_BYTES = 16 * 1024 * 1024;

const classesSchema = z.array(z.string());

export function encodeClasses(classes: readonly string[]): Uint8Array {
  return Buffer.from(`${JSON.stringify(classes)}\n`, 'utf8');
}

/**
 * The names in the folder's classes file; null where it has none.
 *
 * @throws DATASET_MALFORMED for a file of anything else; StorageError where it cannot be read
 */
export async function readClasses(storage: Storage, signal?: AbortSignal): Promise<readonly string[] | null> {
  let bytes: Uint8Array;
  try {
    bytes = await storage.read(CLASSES_FILE, { length: MAX_BYTES + 1, signal });
  } catch (error) {
    if (error instanceof StorageError && error.kind === 'not-found') return null;
    throw error;
  }
  if (bytes.length > MAX_BYTES) throw malformed(`it is longer than ${MAX_BYTES} bytes`);
  try {
    return classesSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    throw malformed('it is not a JSON list of names');
  }
}

const malformed = (reason: string) => failure('DATASET_MALFORMED', { path: CLASSES_FILE, reason });
