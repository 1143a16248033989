// The small images of assets/decode and what Pillow made of them, for this package's tests and scripts.
// Reads files, so nothing that serves imports it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RgbTarget } from './rgb-target.js';

const FOLDER = new URL('../../../assets/decode/', import.meta.url);

/** Pillow's reading of a fixture: `pixels` as it is, `upright` after `ImageOps.exif_transpose`. */
export interface GoldenImage {
  readonly size: readonly [width: number, height: number];
  readonly pixels: string;
  readonly uprightSize: readonly [width: number, height: number];
  readonly upright: string;
  /** Of JPEGs: pixels after `Image.draft(None, (side, side))`, by the side. */
  readonly drafts?: Readonly<Record<string, string>>;
}

export const readFixture = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, FOLDER)));

const readJson = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as T;

export const readGolden = (): ReadonlyMap<string, GoldenImage> =>
  new Map(Object.entries(readJson<{ images: Record<string, GoldenImage> }>('golden.json').images));

/** For each base, Pillow's verdict on each of its corruptions: the pixels' first six digits, or "-". */
export const readCorpusGolden = (): ReadonlyMap<string, readonly string[]> =>
  new Map(
    Object.entries(readJson<{ verdicts: Record<string, string> }>('corpus.json').verdicts).map(
      ([base, verdicts]) => [base, verdicts.split(' ')],
    ),
  );

/** SHA-256 of the pixels, as the golden files have it. */
export const pixelHash = (target: RgbTarget): string =>
  createHash('sha256').update(target.rgb()).digest('hex');
