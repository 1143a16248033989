// Writes the JPEG kinds that Pillow's encoder cannot: 4:4:0, 4:1:1 and 4:4:1 subsampling, arithmetic
// coding, YCCK. Called by make-decode-fixtures.py with the folder to write to.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import { TurboJpegDecoder } from '../dist/decode/index.js';

const out = process.argv[2];
const library = koffi.load(TurboJpegDecoder.load().library);
const init = library.func('tj3Init', 'void *', ['int']);
const set = library.func('tj3Set', 'int', ['void *', 'int', 'int']);
const compress = library.func('tj3Compress8', 'int', [
  'void *',
  'void *',
  'int',
  'int',
  'int',
  'int',
  koffi.inout('void **'),
  koffi.inout('size_t *'),
]);
const errorText = library.func('tj3GetErrorStr', 'const char *', ['void *']);

// turbojpeg.h: enum TJPARAM, TJSAMP, TJPF, TJCS.
const [QUALITY, SUBSAMP, COLORSPACE, PROGRESSIVE, ARITHMETIC, RESTARTBLOCKS] = [3, 4, 8, 12, 14, 18];
const [S444, S420, S440, S411, S441] = [0, 2, 4, 5, 6];
const [RGB, CMYK] = [0, 11];

/** Smooth waves with an edge, `channels` bytes a pixel. */
function draw(width, height, channels) {
  const pixels = new Uint8Array(width * height * channels);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        const wave = ((x * (5 + c) + y * (9 - c)) * (3 + c)) % 256;
        const tooth = wave < 128 ? wave * 2 : (255 - wave) * 2;
        pixels[at++] = x > y + 6 ? tooth : 255 - ((tooth * 3) >> 2);
      }
    }
  }
  return pixels;
}

function write(name, width, height, parameters, format = RGB) {
  const handle = init(0);
  for (const [parameter, value] of [[QUALITY, 80], ...parameters]) {
    if (set(handle, parameter, value) !== 0) throw new Error(`${name}: ${errorText(handle)}`);
  }
  const pointer = [null];
  const size = [0];
  const pixels = draw(width, height, format === CMYK ? 4 : 3);
  if (compress(handle, pixels, width, 0, height, format, pointer, size) !== 0) {
    throw new Error(`${name}: ${errorText(handle)}`);
  }
  writeFileSync(join(out, name), koffi.decode(pointer[0], koffi.array('uint8_t', Number(size[0]), 'Typed')));
}

for (const [name, subsampling] of [
  ['440', S440],
  ['411', S411],
  ['441', S441],
]) {
  write(`c${name}.jpg`, 45, 35, [[SUBSAMP, subsampling]]);
  write(`c${name}-progressive.jpg`, 37, 29, [
    [SUBSAMP, subsampling],
    [PROGRESSIVE, 1],
  ]);
  for (const [width, height] of [
    [1, 1],
    [7, 5],
    [17, 33],
  ]) {
    write(`c${name}-${width}x${height}.jpg`, width, height, [[SUBSAMP, subsampling]]);
  }
}
write(
  'ycck.jpg',
  33,
  27,
  [
    [SUBSAMP, S444],
    [COLORSPACE, 4],
  ],
  CMYK,
);
write(
  'ycck-420.jpg',
  33,
  27,
  [
    [SUBSAMP, S420],
    [COLORSPACE, 4],
  ],
  CMYK,
);
write(
  'cmyk-plain.jpg',
  33,
  27,
  [
    [SUBSAMP, S444],
    [COLORSPACE, 3],
  ],
  CMYK,
);
write('arithmetic.jpg', 45, 35, [
  [SUBSAMP, S420],
  [ARITHMETIC, 1],
]);
write('arithmetic-progressive.jpg', 45, 35, [
  [SUBSAMP, S420],
  [ARITHMETIC, 1],
  [PROGRESSIVE, 1],
]);
write('restart-420.jpg', 50, 35, [
  [SUBSAMP, S420],
  [RESTARTBLOCKS, 2],
]);
