import { describe, expect, it } from 'vitest';
import { DEFAULT_DECODE_LIMITS, loadRawInto, SharpDecoder, TurboJpegDecoder } from './index.js';
import { CORPUS_BASES, type Corruption, corruptions } from './testing/corruptions.js';
import { pixelHash, readCorpusGolden, readFixture } from './testing/fixtures.js';
import { RgbTarget } from './testing/rgb-target.js';

const golden = readCorpusGolden();
const turbo = TurboJpegDecoder.load();
const sharp = new SharpDecoder();

/** docs/decoding.md: without an end marker, arithmetic-coded files are refused where Pillow may accept. */
const mayDiffer = (base: string, ours: string): boolean => base === 'arithmetic.jpg' && ours === '-';

async function verdict(decode: (target: RgbTarget) => unknown): Promise<string> {
  const target = new RgbTarget();
  try {
    await decode(target);
  } catch (error) {
    if ((error as { code?: string }).code !== 'SAMPLE_UNDECODABLE') {
      expect((error as { code?: string }).code).toMatch(/^SAMPLE_(UNSUPPORTED|OVER_LIMIT)$/);
    }
    return '-';
  }
  return pixelHash(target).slice(0, 6);
}

/** "<number> <kind>: ours <verdict>, Pillow <verdict>" of each that differs. */
async function differing(
  base: string,
  decode: (bytes: Uint8Array, target: RgbTarget) => unknown,
): Promise<string[]> {
  const expected = golden.get(base)!;
  const cases: Corruption[] = [...corruptions(base, readFixture(base))];
  expect(cases.length).toBe(expected.length);
  const verdicts: string[] = [];
  for (let i = 0; i < cases.length; i += 8) {
    const group = cases.slice(i, i + 8).map(({ bytes }) => verdict((target) => decode(bytes, target)));
    verdicts.push(...(await Promise.all(group)));
  }
  return verdicts.flatMap((ours, i) =>
    ours === expected[i] || mayDiffer(base, ours)
      ? []
      : [`${i} ${cases[i]!.kind}: ours ${ours}, Pillow ${expected[i]}`],
  );
}

describe('damaged JPEGs: the verdict and the pixels are Pillow’s', () => {
  for (const base of CORPUS_BASES) {
    it.skipIf(turbo === null)(`TurboJPEG, ${base}`, async () => {
      expect(
        await differing(base, (bytes, target) => turbo!.decodeInto(bytes, target, DEFAULT_DECODE_LIMITS)),
      ).toEqual([]);
    });

    it(`sharp, ${base}`, async () => {
      expect(
        await differing(base, async (bytes, target) =>
          loadRawInto(await sharp.decode(bytes, DEFAULT_DECODE_LIMITS), target),
        ),
      ).toEqual([]);
    });
  }
});
