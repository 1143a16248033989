// A transform of one's own: keeps the highest bits of each channel, as PIL.ImageOps.posterize does.
// cropstream serve --transform ./examples/transforms/posterize.mjs, then in a view's chain:
//   transforms: [{ posterize: { p: 0.5, bits: [2, 6] } }]
import { z } from 'zod';

export default {
  name: 'posterize',
  // Part of the run digest: raise it whenever the same numbers would give other pixels.
  version: '1.0.0',
  schema: z.strictObject({
    /** Bits to keep, drawn from [low, high]. */
    bits: z.tuple([z.int().min(1).max(8), z.int().min(1).max(8)]).default([4, 4]),
  }),
  sample({ bits: [low, high] }, random) {
    return { bits: random.integer(low, high) };
  },
  apply({ width, height, data }, { bits }) {
    const mask = (0xff << (8 - bits)) & 0xff;
    return { width, height, data: data.map((level) => level & mask) };
  },
};
