import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_DECODE_LIMITS,
  type DecodeOptions,
  loadRawInto,
  readHeader,
  SharpDecoder,
  ThreadDecoder,
  TurboJpegDecoder,
} from './index.js';
import { pixelHash, readFixture, readGolden } from './testing/fixtures.js';
import { RgbTarget } from './testing/rgb-target.js';

const golden = readGolden();
const jpegs = [...golden.keys()].filter((name) => name.endsWith('.jpg'));
const thread = new ThreadDecoder();
const sharp = new SharpDecoder();

function onThread(name: string, options?: DecodeOptions): RgbTarget {
  const target = new RgbTarget();
  thread.decodeInto(readFixture(name), target, DEFAULT_DECODE_LIMITS, options);
  return target;
}

async function bySharp(name: string, options?: DecodeOptions): Promise<RgbTarget> {
  const target = new RgbTarget();
  loadRawInto(await sharp.decode(readFixture(name), DEFAULT_DECODE_LIMITS, options), target);
  return target;
}

const summary = (target: RgbTarget) => ({ size: [target.width, target.height], pixels: pixelHash(target) });

describe('every fixture has the pixels that Pillow gives it', () => {
  it('finds TurboJPEG where it is shipped', () => {
    expect(TurboJpegDecoder.load()?.library ?? process.platform).toMatch(/libturbojpeg|darwin|win32/);
  });

  for (const [name, { size, pixels, upright, uprightSize, drafts = {} }] of golden) {
    it(name, async () => {
      const plain = { size, pixels };
      const turned = { size: uprightSize, pixels: upright };
      expect(summary(await bySharp(name))).toEqual(plain);
      expect(summary(await bySharp(name, { applyExif: true }))).toEqual(turned);
      if (thread.decodes(readFixture(name))) {
        expect(summary(onThread(name))).toEqual(plain);
        expect(summary(onThread(name, { applyExif: true }))).toEqual(turned);
      }
      const { width, height } = readHeader(readFixture(name));
      expect([width, height]).toEqual(size);
      for (const [side, reduced] of Object.entries(drafts)) {
        expect(pixelHash(onThread(name, { draft: Number(side) }))).toBe(reduced);
        await expect(bySharp(name, { draft: Number(side) })).rejects.toThrow(/decode.draft needs TurboJPEG/);
      }
    });
  }
});

describe('readHeader', () => {
  it('reads the orientation that exif_transpose would apply', () => {
    const orientations = Object.fromEntries(
      ['exif-5.jpg', 'xmp-6.jpg', 'exif-6.png', 'exif-text-8.png', 'exif-3.webp', 'orientation-6.tif'].map(
        (name) => [name, readHeader(readFixture(name)).orientation],
      ),
    );
    expect(orientations).toEqual({
      'exif-5.jpg': 5,
      'xmp-6.jpg': 6,
      'exif-6.png': 6,
      'exif-text-8.png': 8,
      'exif-3.webp': 3,
      'orientation-6.tif': 1, // part of the pixels, as in Pillow
    });
  });

  it('goes by content, not by name', () => {
    expect(readHeader(readFixture('rgb.png'), 'photo.jpg').format).toBe('png');
  });
});

describe('TurboJPEG', () => {
  const decoder = TurboJpegDecoder.load();
  const withDecoder = it.skipIf(decoder === null);

  withDecoder('decodes a file alike whatever was decoded before it', () => {
    // Without its Huffman tables a JPEG is decoded by the standard's; a decoder that kept the
    // tables of the image before would give other pixels after each neighbour.
    const bytes = readFixture('c420.jpg');
    const bare = withoutSegments(bytes, 0xc4);
    const decode = (): string => {
      const target = new RgbTarget();
      decoder!.decodeInto(bare, target, DEFAULT_DECODE_LIMITS);
      return pixelHash(target);
    };
    const first = decode();
    for (const neighbour of jpegs) onThread(neighbour);
    expect(decode()).toBe(first);
    const noTables = withoutSegments(bytes, 0xdb);
    expect(() => decoder!.decodeInto(noTables, new RgbTarget(), DEFAULT_DECODE_LIMITS)).toThrow(
      /Quantization table/,
    );
  });

  withDecoder('reads bytes from shared memory, and writes at an offset of larger memory', () => {
    const bytes = readFixture('c444.jpg');
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 7), 7);
    shared.set(bytes);
    const memory = new Uint8Array(1 << 16);
    const target = new RgbTarget();
    decoder!.decodeInto(
      shared,
      { allocateSource: (w, h) => (target.pixels = memory.subarray(64, 64 + w * h * 4) as never) },
      DEFAULT_DECODE_LIMITS,
    );
    [target.width, target.height] = golden.get('c444.jpg')!.size as [number, number];
    expect(pixelHash(target)).toBe(golden.get('c444.jpg')!.pixels);
    expect(memory.subarray(0, 64).every((byte) => byte === 0)).toBe(true);
    expect(memory.subarray(64 + target.pixels.length).every((byte) => byte === 0)).toBe(true);
  });

  withDecoder('refuses a lossless JPEG as a draft, which libjpeg would write at its whole size', () => {
    const bytes = Buffer.from(
      '/9j/7gAOQWRvYmUAZAAAAAAA/8MAEQgAEAAQA1IRAEcRAEIRAP/EABcAAQEBAQAAAAAAAAAAAAAAAAABAgj/2gAMA1' +
        'IARwBCAAEAAOf+f+fwAFtAAW0ABvewAFtAAW0ABvewAFtAAW0ABvewAFtAAW0ABvewAFtAAW0ABvewAFtAAW0ABvew' +
        'AFtAAW0ABvewAFtAAW0ABvewAFtAAW0ABvewAFtAAW0ABvewAFtAAW0ABvewAFtAAW0ABvewAFtAAW0ABvewAFtAAW' +
        '0ABvewAFtAAW0ABvewAFtAAW0AB//Z',
      'base64',
    );
    const memory = new Uint8Array(16 * 16 * 4);
    const room = { allocateSource: (w: number, h: number) => memory.subarray(0, w * h * 4) };
    decoder!.decodeInto(bytes, room, DEFAULT_DECODE_LIMITS);
    memory.fill(7);
    expect(() => decoder!.decodeInto(bytes, room, DEFAULT_DECODE_LIMITS, { draft: 2 })).toThrow(
      expect.objectContaining({ code: 'SAMPLE_UNSUPPORTED' }),
    );
    expect(memory.every((byte) => byte === 7)).toBe(true);
  });

  withDecoder('works in several worker threads at once', async () => {
    const module = new URL('../../dist/decode/index.js', import.meta.url).href;
    const source = `
      import { parentPort } from 'node:worker_threads';
      const { TurboJpegDecoder, DEFAULT_DECODE_LIMITS } = await import(${JSON.stringify(module)});
      const decoder = TurboJpegDecoder.load();
      const bytes = new Uint8Array(${JSON.stringify([...readFixture('c420.jpg')])});
      let pixels;
      for (let i = 0; i < 50; i++) {
        decoder.decodeInto(bytes, { allocateSource: (w, h) => (pixels = new Uint8Array(w * h * 4)) }, DEFAULT_DECODE_LIMITS);
      }
      parentPort.postMessage(pixels);`;
    const results = await Promise.all(
      [1, 2, 3].map(
        () =>
          new Promise<Uint8Array>((resolve, reject) => {
            const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
            worker.once('message', resolve);
            worker.once('error', reject);
          }),
      ),
    );
    const expected = onThread('c420.jpg').pixels;
    for (const pixels of results) expect(Buffer.compare(pixels, expected)).toBe(0);
  });
});

describe('a JPEG of one scan whose tail is damaged', () => {
  // Pillow reads blocks of 65536 bytes and stops looking with the block in which the pixels ended.
  // Its verdicts on these six files were taken from Pillow 12.3.
  const jpeg = readFixture('c420.jpg');
  const place = jpeg.length - 120;
  const withRubbish = (length: number, marker: number): Uint8Array =>
    new Uint8Array(
      Buffer.concat([
        jpeg.subarray(0, place),
        Buffer.from([0xff, 0xe5, 0, 4, 1, 2]),
        Buffer.alloc(length, 3),
        Buffer.from([0xff, marker]),
        jpeg.subarray(place),
      ]),
    );

  it.each([
    ['rejected', 100, 0x05],
    ['rejected', 64_000, 0x05],
    ['rejected', 65_536 - place - 8, 0x05],
    ['accepted', 65_536 - place - 7, 0x05],
    ['accepted', 65_600, 0x05],
    ['accepted', 140_000, 0xd8],
  ])('is %s with an impossible marker %i bytes behind the pixels', async (verdict, length, marker) => {
    const bytes = withRubbish(length, marker);
    const outcome = async (decode: () => unknown): Promise<string> => {
      try {
        await decode();
        return 'accepted';
      } catch {
        return 'rejected';
      }
    };
    const limits = DEFAULT_DECODE_LIMITS;
    expect(await outcome(() => sharp.decode(bytes, limits))).toBe(verdict);
    if (thread.decodes(bytes)) {
      expect(await outcome(() => thread.decodeInto(bytes, new RgbTarget(), limits))).toBe(verdict);
    }
  });
});

describe('SharpDecoder', () => {
  it('gives buffers that can be transferred to a thread', async () => {
    for (const name of ['c420.jpg', 'one-pixel.png', 'gray16.png', 'palette.gif']) {
      const { data } = await sharp.decode(readFixture(name), DEFAULT_DECODE_LIMITS);
      expect(data.byteOffset).toBe(0);
      expect(data.buffer.byteLength).toBe(data.byteLength);
      const size = data.byteLength;
      expect(structuredClone(data, { transfer: [data.buffer] }).byteLength).toBe(size);
      // Moved, not copied.
      expect(data.byteLength).toBe(0);
    }
  });

  it('decodes many at once', async () => {
    const hashes = await Promise.all(jpegs.map(async (name) => pixelHash(await bySharp(name))));
    expect(hashes).toEqual(jpegs.map((name) => golden.get(name)!.pixels));
  });
});

/** A JPEG without its segments of one kind. */
function withoutSegments(jpeg: Uint8Array, marker: number): Uint8Array {
  const kept: Uint8Array[] = [jpeg.subarray(0, 2)];
  let at = 2;
  while (jpeg[at + 1] !== 0xda) {
    const end = at + 2 + ((jpeg[at + 2]! << 8) | jpeg[at + 3]!);
    if (jpeg[at + 1] !== marker) kept.push(jpeg.subarray(at, end));
    at = end;
  }
  return new Uint8Array(Buffer.concat([...kept, jpeg.subarray(at)]));
}
