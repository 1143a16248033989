import { z } from 'zod';
import { limited } from '../validation.js';

/** The largest side of a view in pixels. */
export const MAX_VIEW_SIDE = 2048;

const side = limited(z.int().min(1), MAX_VIEW_SIDE);

/** [height, width]: as torchvision takes it. */
export const sizePair = z.tuple([side, side]);

/** A side of a square, or [height, width]; resolved to the pair. */
export const sizeField = z
  .union([side, sizePair], { error: 'a side in pixels, or [height, width]' })
  .transform((size): [number, number] => (typeof size === 'number' ? [size, size] : size));

/** A short side, kept as it is, or [height, width]. */
export const shortSideOrSize = z.union([side, sizePair], {
  error: 'the short side in pixels, or [height, width]',
});

export const interpolationField = z.enum(['bicubic', 'bilinear']);
