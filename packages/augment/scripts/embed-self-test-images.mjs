// Writes src/fingerprint/images.ts: the images of the pixel fingerprint's self-test, in the source, so that
// the test needs no file at run time. Run it after changing the list: every fingerprint changes with it.
import { readFile, writeFile } from 'node:fs/promises';

const NAMES = [
  'c444-17x33.jpg',
  'c422-17x33.jpg',
  'c420-17x33.jpg',
  'c440-17x33.jpg',
  'c411-17x33.jpg',
  'c420-7x5.jpg',
  'c420-1x1.jpg',
  'c420-progressive.jpg',
  'restart-420.jpg',
  'arithmetic.jpg',
  'gray.jpg',
  'gray-progressive.jpg',
  'rgb.jpg',
  'cmyk.jpg',
  'ycck-420.jpg',
  'exif-6.jpg',
  'rgba.png',
  'gray16.png',
  'palette-transparent.png',
  'lossy.webp',
  'alpha-lossless.webp',
  'lzw.tif',
  'gray.gif',
  'rgb.bmp',
];

const here = new URL('.', import.meta.url);
const lines = await Promise.all(
  NAMES.map(async (name) => {
    const bytes = await readFile(new URL(`../assets/decode/${name}`, here));
    return `  '${name}':\n    '${bytes.toString('base64')}',`;
  }),
);
await writeFile(
  new URL('../src/fingerprint/images.ts', here),
  `// Made by scripts/embed-self-test-images.mjs; not to be edited.

/** Small encoded images by name, base64. */
export const SELF_TEST_IMAGES: Readonly<Record<string, string>> = {
${lines.join('\n')}
};
`,
);
