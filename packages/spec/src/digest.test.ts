import { describe, expect, it } from 'vitest';
import { canonicalJson } from './digest.js';
import { digestDifference, parseSpec, runDigest } from './index.js';

const input = {
  dataset: { source: 'image-folder', url: '/data/train' },
  recipe: 'dino',
  seed: 42,
  global_batch_size: 64,
};
const digest = (change: object = {}, manifest = 'm') =>
  runDigest(parseSpec({ ...input, ...change }), manifest);

describe('runDigest', () => {
  it('is a known number: a change of it changes every run there is', () => {
    expect(digest()).toBe('f896da0f4d24df1d316149964e9a7ac6726dee03eeef31a8efc3aea5aaeb0b03');
  });

  it('does not depend on the name, the place or the chunk size, nor on how the views were written', () => {
    expect(digest({ name: 'other' })).toBe(digest());
    expect(digest({ dataset: { source: 'image-folder', url: 's3://bucket/train' } })).toBe(digest());
    expect(digest({ chunk_size: 16 })).toBe(digest());
    const { url } = input.dataset;
    const labels = (how: string) => digest({ dataset: { source: 'image-folder', url, labels: how } });
    expect(labels('none')).toBe(labels('folders'));
    const split = (name: string) => digest({ dataset: { source: 'cifar10', url, split: name } });
    expect(split('test')).toBe(split('train'));
    const { views } = parseSpec(input);
    expect(digest({ recipe: null, views })).toBe(digest());
  });

  it('depends on everything that decides about the stream', () => {
    const changes = [
      { seed: 43 },
      { global_batch_size: 32 },
      { shuffle: false },
      { drop_last: false },
      { output: { layout: 'nhwc' } },
      { on_bad_sample: 'fail' },
      { decode: { exif_rotation: true } },
      { decode: { draft: 512 } },
      { limits: { max_pixels: 1000 } },
      { exclude_fields: ['path'] },
      { views: { local_7: null } },
      { views: { global_0: { seed: 1 } } },
      { views: { global_0: { scale: [0.41, 1] } } },
      { recipe: 'dinov2' },
    ];
    const digests = [digest(), digest({}, 'other manifest'), ...changes.map((change) => digest(change))];
    expect(new Set(digests).size).toBe(changes.length + 2);
  });
});

describe('canonicalJson', () => {
  it('does not depend on the order in which keys were written', () => {
    expect(canonicalJson({ b: [1, { d: 1, c: -0.5 }], a: null })).toBe('{"a":null,"b":[1,{"c":-0.5,"d":1}]}');
    expect(canonicalJson({ view: 1, 9: 2, 10: 3, gone: undefined })).toBe('{"10":3,"9":2,"view":1}');
  });
});

describe('digestDifference', () => {
  const open = parseSpec(input);
  const difference = (change: object) => digestDifference(open, parseSpec({ ...input, ...change }));

  it('names the first fields that differ, there and here', () => {
    expect(difference({ seed: 43 })).toBe('seed: 42 there, 43 here');
    expect(difference({ views: { global_0: { scale: [0.5, 1] } } })).toBe(
      'views.global_0.random_resized_crop.scale: [0.4,1] there, [0.5,1] here',
    );
    expect(
      difference({ seed: 1, shuffle: false, drop_last: false, on_bad_sample: 'fail', global_batch_size: 1 }),
    ).toMatch(/; and 2 more$/);
  });

  it('names the dataset where the specs agree', () => {
    expect(difference({ name: 'other' })).toMatch(/dataset/);
  });
});
