import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tarOf } from '../../../test-support/tars.js';
import { BLOCK_BYTES, TarError } from '../../formats/tar.js';
import { isNeed, walkTar } from '../../formats/tar-walk.js';
import { type ImageChoice, splitName } from './names.js';
import { partsOf, readParts } from './sample.js';
import { decodeIndex, encodeIndex, SampleGrouper } from './shard-index.js';

const ANY = { extensions: null };

const readSpan = (span: Uint8Array<ArrayBuffer>, choice: ImageChoice) =>
  readParts(span, partsOf(span, span.length, choice));

/** What a shard's samples are: their keys and what is read of them. */
function samplesOf(
  files: readonly (readonly [string, string])[],
  choice: { extensions: string[] | null } = ANY,
) {
  const archive = tarOf(files);
  const grouper = new SampleGrouper(choice);
  const walk = walkTar(0, archive.length);
  let step = walk.next();
  while (!step.done) {
    if (isNeed(step.value)) {
      const { offset, length } = step.value;
      step = walk.next(archive.subarray(offset, offset + length));
    } else {
      grouper.add(step.value);
      step = walk.next();
    }
  }
  const { index, leftovers } = grouper.finish();
  expect(decodeIndex(encodeIndex(index))).toEqual(index);
  const samples = Array.from(index.starts, (start, i) => {
    const from = start * BLOCK_BYTES;
    const span = new Uint8Array(archive.subarray(from, from + index.lengths[i]! * BLOCK_BYTES));
    const { key, image, values } = readSpan(span, choice);
    return { key, image: Buffer.from(image).toString(), values: Object.fromEntries(values) };
  });
  return { samples, leftovers };
}

describe('splitName', () => {
  // As webdataset's base_plus_ext splits them; its tar_file_iterator leaves out `__meta__`.
  it.each([
    ['a.jpg', 'a', 'jpg'],
    ['./a.jpg', './a', 'jpg'],
    ['d.e/a.b/x.Left.JPG', 'd.e/a.b/x', 'left.jpg'],
    ['a.', 'a', ''],
    ['dir/.hidden', 'dir/', 'hidden'],
    ['x.y/z/.h.jpg', 'x.y/z/', 'h.jpg'],
    ['__a.jpg', '__a', 'jpg'],
    ['a/__b__.jpg', 'a/__b__', 'jpg'],
  ])('splits %s', (name, key, extension) => {
    expect(splitName(name)).toEqual({ key, extension });
  });

  it.each(['a', 'a.b/c', '.hidden', 'a.b/.hidden', '__meta__', '__meta__/a.jpg', '__a__b__/x.jpg'])(
    'leaves %s out',
    (name) => {
      expect(splitName(name)).toBeNull();
    },
  );

  it.each(['../a.jpg', '/etc/a.jpg', 'a/../../b.jpg', 'a\0.jpg', 'a/..'])('refuses %j', (name) => {
    expect(() => splitName(name)).toThrow(TarError);
  });
});

describe('samples of a shard', () => {
  it('are members of one key one after the other, an image among them', () => {
    const { samples, leftovers } = samplesOf([
      ['__meta__', 'x'],
      ['a.cls', '3\n'],
      ['README', 'x'],
      ['a.JPG', 'A'],
      ['a.json', '{"width": 3, "ratio": 1.5, "ok": true, "none": null, "list": [1], "caption": "in json"}'],
      ['a.caption.txt', 'süß'],
      ['b.png', 'B'],
      ['a.jpg', 'A again'],
      ['c.cls', '1'],
      ['c.npy', 'x'],
    ]);
    expect(samples).toEqual([
      {
        key: 'a',
        image: 'A',
        values: {
          cls: 3,
          'caption.txt': 'süß',
          width: 3,
          ratio: 1.5,
          ok: 1,
          none: null,
          list: expect.any(Symbol),
          caption: 'in json',
        },
      },
      { key: 'b', image: 'B', values: {} },
      { key: 'a', image: 'A again', values: {} },
    ]);
    expect(leftovers).toEqual({ members: 2, imageless: 1, imagelessExample: 'cls, npy' });
  });

  it('have the image that was asked for, the first by the order asked for', () => {
    const files = [
      ['a.left.jpg', 'L'],
      ['a.right.jpg', 'R'],
    ] as const;
    expect(samplesOf(files).leftovers.imageless).toBe(1);
    expect(samplesOf(files, { extensions: ['png', 'right.jpg'] }).samples[0]?.image).toBe('R');
  });

  it('are read from no member before the first or after the last that is used', () => {
    const archive = tarOf([
      ['a.depth.npy', 'x'.repeat(5000)],
      ['a.jpg', 'A'],
      ['a.mp4', 'x'.repeat(5000)],
    ]);
    const grouper = new SampleGrouper(ANY);
    for (const [name, start, size] of [
      ['a.depth.npy', 0, 5000],
      ['a.jpg', 5632, 1],
      ['a.mp4', 6656, 5000],
    ] as const) {
      grouper.add({ name, start, offset: start + 512, size });
    }
    expect(grouper.finish().index).toEqual({ starts: Uint32Array.of(11), lengths: Uint32Array.of(2) });
    expect(archive.subarray(5632, 5637).toString()).toBe('a.jpg');
  });

  it('may not have a member twice', () => {
    const twice = [
      ['a.jpg', 'x'],
      ['a.JPG', 'y'],
    ] as const;
    expect(() => samplesOf(twice)).toThrow(/"a\.JPG" is there twice/);
  });

  it.each([
    ['a.json', '{', /"a\.json" is not JSON/],
    ['a.txt', 'x'.repeat(1024 * 1024 + 1), /a field has 1048576 at most/],
  ])('with a %s of %#', (name, content, reason) => {
    expect(() =>
      samplesOf([
        ['a.jpg', 'A'],
        [name, content],
      ]),
    ).toThrow(reason);
  });

  it('are one sample each, whatever a span has instead', () => {
    const span = fc.oneof(
      fc.uint8Array({ maxLength: 2048 }),
      fc.constant(
        tarOf([
          ['a.jpg', 'x'],
          ['b.jpg', 'y'],
        ]),
      ),
      fc.constant(tarOf([['a.cls', '1']])),
    );
    fc.assert(
      fc.property(span, (bytes) => {
        expect(() => readSpan(new Uint8Array(bytes), ANY)).toThrow(TarError);
      }),
    );
  });
});

describe('decodeIndex', () => {
  it('refuses bytes that encodeIndex did not write', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(() => decodeIndex(bytes)).toThrow(TarError);
      }),
    );
  });
});
