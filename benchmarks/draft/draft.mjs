// What `decode.draft` buys and what it costs: DINO's recipe on photographs of 12 megapixels, whole and as drafts, and by
// how many levels the same boxes differ.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_DECODE_LIMITS, TurboJpegDecoder } from '@cropstream/augment';
import { PixelKernels } from '@cropstream/kernels';
import { inTurn, Lane } from '../lane.mjs';
import { measure, ratio } from '../statistics.mjs';
import { largeImages } from './images.mjs';

const DRAFTS = [1024, 512];
const LANE = fileURLToPath(new URL('../pipeline/lane.mjs', import.meta.url));
/** Crops as DINO's, by their share of a side. */
const CROPS = [
  { share: 0.8, size: 224 },
  { share: 0.45, size: 96 },
];

/** Absolute differences in levels of the same crops, made of the draft and of the whole image. */
function differences(folder, draft) {
  const decoder = TurboJpegDecoder.load();
  const [whole, reduced] = [PixelKernels.create(), PixelKernels.create()];
  const counts = new Float64Array(256);
  for (const name of readdirSync(folder, { recursive: true }).filter((path) => path.endsWith('.jpg'))) {
    const bytes = readFileSync(join(folder, name));
    decoder.decodeInto(bytes, whole, DEFAULT_DECODE_LIMITS);
    decoder.decodeInto(bytes, reduced, DEFAULT_DECODE_LIMITS, { draft });
    const times = Math.round(whole.sourceWidth / reduced.sourceWidth);
    for (const { share, size } of CROPS) {
      const side = Math.floor(share * reduced.sourceHeight);
      const crop = (kernels, scale) => {
        kernels.begin();
        kernels.crop({ x: 10 * scale, y: 10 * scale, width: side * scale, height: side * scale });
        kernels.resize(size, size, 'bicubic');
        return kernels.readPixels().data;
      };
      const exact = crop(whole, times);
      for (const [i, level] of crop(reduced, 1).entries()) counts[Math.abs(level - exact[i])]++;
    }
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  const mean = counts.reduce((sum, count, levels) => sum + count * levels, 0) / total;
  let left = 0.01 * total;
  let rare = 255;
  for (; counts[rare] < left; rare--) left -= counts[rare];
  return { mean, rare };
}

/** @param {{ data?: string, rounds: number, images: number }} options */
export async function draft({ data, rounds, images }) {
  const folder = data ?? (await largeImages());
  const kinds = ['whole', ...DRAFTS.map((side) => `draft-${side}`)];
  const lanes = await Promise.all(
    kinds.map((kind) => Lane.start(kind, process.execPath, [LANE, kind, folder, '1'])),
  );
  const taken = await inTurn(
    lanes.map((lane) => ({ lane, images: Math.max(4, Math.round(images / 20)) })),
    rounds,
  );
  await Promise.all(lanes.map((lane) => lane.stop()));
  const cpu = Object.fromEntries(
    kinds.map((kind) => [kind, taken[kind].map(({ cpu_ms, images: made }) => cpu_ms / made)]),
  );
  const measures = { 'decoded whole, CPU': measure('ms/image', 'lower', cpu.whole) };
  for (const side of DRAFTS) {
    const { mean, rare } = differences(folder, side);
    const own = cpu[`draft-${side}`];
    measures[`draft: ${side}, CPU`] = measure('ms/image', 'lower', own);
    measures[`whole / draft: ${side}`] = ratio('higher', cpu.whole, own);
    measures[`draft: ${side}, mean difference`] = measure('levels', 'lower', [mean]);
    measures[`draft: ${side}, difference of the worst hundredth`] = measure('levels', 'lower', [rare]);
  }
  return { measures };
}
