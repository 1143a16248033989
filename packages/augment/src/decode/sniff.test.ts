import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_DECODE_LIMITS, readHeader, SharpDecoder, sniff, ThreadDecoder } from './index.js';
import { readFixture, readGolden } from './testing/fixtures.js';
import { RgbTarget } from './testing/rgb-target.js';

const text = (content: string): Uint8Array => new Uint8Array(Buffer.from(content, 'latin1'));
const ftyp = (major: string, ...compatible: string[]): Uint8Array =>
  text(`\0\0\0${String.fromCharCode(16 + 4 * compatible.length)}ftyp${major}\0\0\0\0${compatible.join('')}`);

const formats: Record<string, string> = {
  jpg: 'jpeg',
  png: 'png',
  webp: 'webp',
  gif: 'gif',
  tif: 'tiff',
  bmp: 'bmp',
  ppm: 'ppm',
  pgm: 'ppm',
  pbm: 'ppm',
};

describe('sniff', () => {
  it('knows every fixture by its content', () => {
    for (const name of readGolden().keys()) {
      expect([name, sniff(readFixture(name))]).toEqual([
        name,
        { kind: 'supported', format: formats[name.split('.').pop()!] },
      ]);
    }
  });

  it.each([
    ['HEIC/HEIF', ftyp('heic', 'mif1')],
    ['HEIC/HEIF', ftyp('mif1', 'heic')],
    ['AVIF', ftyp('avif', 'mif1')],
    ['AVIF', ftyp('mif1', 'miaf', 'avif')],
    ['video (MP4)', ftyp('isom', 'iso2')],
    ['video (QuickTime)', ftyp('qt  ')],
    ['camera raw (CR3)', ftyp('crx ')],
    ['JPEG XL', text('\xff\x0a\x00\x00')],
    ['JPEG XL', text('\0\0\0\x0cJXL \r\n\x87\n')],
    ['JPEG 2000', text('\0\0\0\x0cjP  \r\n\x87\n')],
    ['SVG', text('<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['SVG', text('  <svg width="1">')],
    ['HTML', text('<!DOCTYPE html><html>404 Not Found')],
    ['XML', text('<?xml version="1.0"?><annotation/>')],
    ['JSON', text('{"label": 3}')],
    ['plain text', text('n01440764 0\n')],
    ['PDF', text('%PDF-1.7\n')],
    ['Photoshop (PSD)', text('8BPS\0\x01')],
    ['zip archive', text('PK\x03\x04')],
    ['gzip data', text('\x1f\x8b\x08')],
    ['Git LFS pointer', text('version https://git-lfs.github.com/spec/v1\noid sha256:0\n')],
    ["macOS resource file (AppleDouble, '._' in its name)", text('\x00\x05\x16\x07\x00\x02')],
    ['video (Matroska/WebM)', text('\x1a\x45\xdf\xa3\x01')],
    ['a run of zero bytes', new Uint8Array(4096)],
  ])('names %s with what to do', (format, bytes) => {
    expect(sniff(bytes)).toEqual({ kind: 'unsupported', format, fix: expect.stringMatching(/.{10}/) });
  });

  it('tells empty and unknown bytes apart', () => {
    expect(sniff(new Uint8Array())).toEqual({ kind: 'empty' });
    expect(sniff(text('\x81\x82\x83\x84'))).toEqual({ kind: 'unknown' });
  });
});

describe('what cannot be decoded', () => {
  const sharp = new SharpDecoder();
  const thread = new ThreadDecoder();
  const limits = DEFAULT_DECODE_LIMITS;
  const options = { path: 'a/b.jpg' };

  it('is refused by each door with the sample’s name and its own message', async () => {
    for (const [bytes, expected] of [
      [new Uint8Array(), { code: 'SAMPLE_UNDECODABLE', problem: 'a/b.jpg: the file is empty (0 bytes)' }],
      [
        text('\x81\x82\x83'),
        {
          code: 'SAMPLE_UNDECODABLE',
          problem: 'a/b.jpg: not an image of a known kind (its first bytes are 81 82 83)',
        },
      ],
      [
        ftyp('heic'),
        {
          code: 'SAMPLE_UNSUPPORTED',
          problem: 'a/b.jpg: HEIC/HEIF is not supported',
          help: 'Convert it: `heif-convert FILE FILE.jpg`, or on macOS `sips -s format jpeg FILE`.',
        },
      ],
    ] as const) {
      await expect(sharp.decode(bytes, limits, options)).rejects.toMatchObject(expected);
      expect(() => thread.decodeInto(bytes, new RgbTarget(), limits, options)).toThrow(
        expect.objectContaining(expected),
      );
      expect(() => readHeader(bytes, options.path)).toThrow(expect.objectContaining(expected));
    }
  });

  it('is refused where a side is longer than the kernels take, whatever the limits', () => {
    const line = Buffer.concat([Buffer.from('P4 16777217 1\n'), Buffer.alloc(16777217 / 8 + 1)]);
    expect(() => thread.decodeInto(line, new RgbTarget(), limits)).toThrow(
      expect.objectContaining({
        code: 'SAMPLE_OVER_LIMIT',
        problem: 'image: 16777217 x 1 pixels is over the limit of 16777216 a side',
        help: 'Shrink the file, or remove it: no setting raises this limit.',
      }),
    );
  });

  it('is refused by the limits before any memory is taken', async () => {
    const untouched = { allocateSource: () => expect.unreachable('no room may be taken') };
    for (const name of [
      'c420.jpg',
      'rgb.png',
      'lossy.webp',
      'raw.tif',
      'palette.gif',
      'rgb.bmp',
      'rgb.ppm',
    ]) {
      const bytes = readFixture(name);
      const { width, height } = readHeader(bytes);
      const over = { code: 'SAMPLE_OVER_LIMIT', problem: expect.stringContaining(`${width} x ${height}`) };
      const small = { ...limits, maxPixels: width * height - 1 };
      await expect(sharp.decode(bytes, small)).rejects.toMatchObject(over);
      const long = { code: 'SAMPLE_OVER_LIMIT', problem: expect.stringContaining(`${bytes.length} bytes`) };
      const short = { ...limits, maxBytes: bytes.length - 1 };
      await expect(sharp.decode(bytes, short)).rejects.toMatchObject(long);
      if (!thread.decodes(bytes)) continue;
      expect(() => thread.decodeInto(bytes, untouched, small)).toThrow(expect.objectContaining(over));
      expect(() => thread.decodeInto(bytes, untouched, short)).toThrow(expect.objectContaining(long));
    }
  });

  it('includes files of every format that are cut short', async () => {
    for (const name of readGolden().keys()) {
      const bytes = readFixture(name);
      // Pixels that follow one another to the file's end: a third less is a part of them missing.
      const cut = bytes.subarray(0, Math.floor((bytes.length * 2) / 3));
      if (name === 'animated.gif' || name === 'animated.webp' || name === 'pages.tif') continue;
      await expect(sharp.decode(cut, limits, { path: name }), name).rejects.toMatchObject({
        code: 'SAMPLE_UNDECODABLE',
      });
    }
  });

  it('never ends in anything but a typed failure, for any bytes', async () => {
    const heads = [...readGolden().keys()].map((name) => [...readFixture(name).subarray(0, 40)]);
    const bytes = fc
      .tuple(fc.constantFrom([], ...heads), fc.array(fc.nat(255), { maxLength: 200 }))
      .map(([head, rest]) => new Uint8Array([...head, ...rest]));
    await fc.assert(
      fc.asyncProperty(bytes, async (input) => {
        const outcome = await sharp.decode(input, { ...limits, maxPixels: 1e6 }).then(
          (raw) => raw.width > 0,
          (error: { code?: string }) => error.code?.startsWith('SAMPLE_') === true,
        );
        expect(outcome).toBe(true);
      }),
      { numRuns: 300, seed: 7 },
    );
  });
});
