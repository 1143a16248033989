/** Tar archives in memory, and names for them. */
import fc from 'fast-check';
import { END_OF_ARCHIVE_BYTES, paddingOf, tarHeaderOf } from '../src/formats/tar.js';

/** An archive of files, each a name and its bytes. */
export function tarOf(files: readonly (readonly [name: string, bytes: string | Uint8Array])[]): Buffer {
  const parts = files.flatMap(([name, content]) => {
    const bytes = Buffer.from(content);
    return [tarHeaderOf(name, bytes.length), bytes, paddingOf(bytes.length)];
  });
  return Buffer.concat([...parts, new Uint8Array(END_OF_ARCHIVE_BYTES)]);
}

/** Names that tar can hold: any text without NUL, not empty, short and long. */
export const TAR_NAMES = fc
  .string({
    unit: fc.oneof(fc.constantFrom('a', '/', '.', 'é', '名'), fc.string({ minLength: 1, maxLength: 1 })),
    minLength: 1,
    maxLength: 150,
  })
  .filter((name) => !name.includes('\0'));
