// Decodes every damaged JPEG of the corpus by both decoders and writes, for each, a line
// "<base> <kind> <bytes> <turbojpeg> <sharp>\n" and then the file's bytes, for Pillow to judge. A
// verdict is the first 12 hexadecimal digits of the SHA-256 of the RGB pixels, or "-".
// `node judge-decode-corpus.mjs [rounds] [JPEG ...]`, after a build; without files, of the fixtures.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { DEFAULT_DECODE_LIMITS, loadRawInto, SharpDecoder, TurboJpegDecoder } from '../dist/decode/index.js';
import { CORPUS_BASES, corruptions } from '../dist/decode/testing/corruptions.js';
import { RgbTarget } from '../dist/decode/testing/rgb-target.js';

const [rounds = '1', ...files] = process.argv.slice(2);
const assets = new URL('../assets/decode/', import.meta.url);
const bases = files.length > 0 ? files : CORPUS_BASES.map((name) => new URL(name, assets).pathname);
const turbo = TurboJpegDecoder.load();
if (turbo === null) throw new Error('libturbojpeg >= 3.0 is not to be had here');
const sharp = new SharpDecoder();

const verdict = async (decode) => {
  const target = new RgbTarget();
  try {
    await decode(target);
  } catch (error) {
    if (!String(error.code).startsWith('SAMPLE_')) throw error;
    return '-';
  }
  return createHash('sha256').update(target.rgb()).digest('hex').slice(0, 12);
};

for (const base of bases) {
  const jpeg = new Uint8Array(readFileSync(base));
  for (const { kind, bytes } of corruptions(basename(base), jpeg, Number(rounds))) {
    const byTurbo = await verdict((target) => turbo.decodeInto(bytes, target, DEFAULT_DECODE_LIMITS));
    const bySharp = await verdict(async (target) =>
      loadRawInto(await sharp.decode(bytes, DEFAULT_DECODE_LIMITS), target),
    );
    process.stdout.write(`${basename(base)} ${kind} ${bytes.length} ${byTurbo} ${bySharp}\n`);
    if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
  }
}
