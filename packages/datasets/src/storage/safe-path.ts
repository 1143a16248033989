import { encodePath, whyUnsafe } from '../paths.js';
import { StorageError } from './storage.js';

/**
 * The bytes of a path that stays inside its root by its parts.
 *
 * @throws StorageError `outside`
 */
export function safePath(path: string): Uint8Array {
  const bytes = encodePath(path);
  const unsafe = whyUnsafe(bytes);
  if (unsafe !== null) throw new StorageError('outside', path, `the path is not allowed: ${unsafe}`);
  return bytes;
}
