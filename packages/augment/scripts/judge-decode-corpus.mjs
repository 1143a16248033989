// Decodes every damaged file of the corpus by both decoders and writes, for each, a line
// "<base> <kind> <bytes> <on a compute thread> <on the main thread>\n" and then the file's bytes, for
// Pillow to judge. A verdict is the first 12 hexadecimal digits of the SHA-256 of the RGB pixels, or
// "-". `node judge-decode-corpus.mjs [rounds] [FILE ...]`, after a build; without files, the
// fixtures' JPEGs.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { loadRawInto, SharpDecoder, sniff, ThreadDecoder, TurboJpegDecoder } from '../dist/decode/index.js';
import { CORPUS_BASES, corruptions, roughCorruptions } from '../dist/decode/testing/corruptions.js';
import { RgbTarget } from '../dist/decode/testing/rgb-target.js';

const [rounds = '1', ...files] = process.argv.slice(2);
const assets = new URL('../assets/decode/', import.meta.url);
const bases = files.length > 0 ? files : CORPUS_BASES.map((name) => new URL(name, assets).pathname);
if (TurboJpegDecoder.load() === null) throw new Error('libturbojpeg >= 3.0 is not to be had here');
const thread = new ThreadDecoder();
const sharp = new SharpDecoder();
// Damaged headers claim any size; no picture here has more pixels than this.
const limits = { maxPixels: 20_000_000, maxBytes: 1 << 26 };

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
  const sound = new Uint8Array(readFileSync(base));
  const damage = sniff(sound).format === 'jpeg' ? corruptions : roughCorruptions;
  for (const { kind, bytes } of damage(basename(base), sound, Number(rounds))) {
    const onMain = await verdict(async (target) => loadRawInto(await sharp.decode(bytes, limits), target));
    // What only the main thread decodes has one verdict.
    const { format } = sniff(bytes);
    const onThread = ['png', 'webp', 'tiff'].includes(format)
      ? onMain
      : await verdict((target) => thread.decodeInto(bytes, target, limits));
    process.stdout.write(`${basename(base)} ${kind} ${bytes.length} ${onThread} ${onMain}\n`);
    if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
  }
}
