/** WebDataset's conventions for members' names, as its library has them (tariterators.py). */
import { TarError } from '../../formats/tar.js';

/** A member's name in two: members of one key are a sample. */
export interface MemberName {
  readonly key: string;
  /** What follows the first dot of the last part of the path, in lower case. */
  readonly extension: string;
}

/** A first part such as `__meta__`. */
const META = /^__[^/]*__(?:$|\/)/;

/**
 * The key and the extension of a member; null for one that is part of no sample: metadata, and names without a dot.
 *
 * @throws TarError for a name that leads out of the folder it would be unpacked in
 */
export function splitName(name: string): MemberName | null {
  if (META.test(name)) return null;
  if (name.startsWith('/') || name.includes('\0') || name.split('/').includes('..')) {
    throw new TarError(`the member name ${JSON.stringify(name.slice(0, 200))} leads out of its folder`);
  }
  const base = name.lastIndexOf('/') + 1;
  const dot = name.indexOf('.', base);
  if (dot === -1) return null;
  // The library's pattern lets a hidden file's key end in the slash, where the folder's own name has no dot.
  if (dot === base) {
    const folder = name.lastIndexOf('/', base - 2) + 1;
    if (base === 0 || name.slice(folder, base).includes('.')) return null;
  }
  return { key: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() };
}

/** What a member holds, by the last part of its extension, as the library's decoders go by it. */
export type MemberKind = 'image' | 'json' | 'text' | 'integer' | 'other';

const KINDS: Readonly<Record<MemberKind, readonly string[]>> = {
  image: ['jpg', 'jpeg', 'png', 'webp', 'ppm', 'pgm', 'pbm', 'pnm', 'bmp', 'tif', 'tiff', 'gif'],
  json: ['json', 'jsn'],
  text: ['txt', 'text', 'transcript'],
  integer: ['cls', 'cls2', 'class', 'count', 'index', 'inx', 'id'],
  other: [],
};
const KIND_OF = new Map(
  Object.entries(KINDS).flatMap(([kind, extensions]) =>
    extensions.map((extension) => [extension, kind as MemberKind]),
  ),
);

export function kindOf(extension: string): MemberKind {
  return KIND_OF.get(extension.slice(extension.lastIndexOf('.') + 1)) ?? 'other';
}

/** Which member of a sample is its image. */
export interface ImageChoice {
  /** Extensions, the first that a sample has being its image; null: whichever comes first of the known kinds. */
  readonly extensions: readonly string[] | null;
}

/** The extension of a sample's image; undefined where it has none. */
export function imageOf(members: Iterable<string>, { extensions }: ImageChoice): string | undefined {
  const present = [...members];
  if (extensions !== null) return extensions.find((extension) => present.includes(extension));
  return present.find((extension) => !extension.includes('.') && kindOf(extension) === 'image');
}
