import type { ImageHeader } from './types.js';

/** What libjpeg's scaled inverse DCTs leave of each side: 1/1, 1/2, 1/4 or 1/8. */
type Reduction = 1 | 2 | 4 | 8;

/** Pillow's `Image.draft(None, (draft, draft))`: the most by which both sides stay `draft` pixels long at least. */
function reductionOf(width: number, height: number, draft: number | undefined): Reduction {
  if (draft === undefined) return 1;
  const most = Math.floor(Math.min(width, height) / draft);
  return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}

/** The size at which an image is decoded, and by what it is reduced: of JPEGs alone. */
export function drafted(
  { format, width, height }: Pick<ImageHeader, 'format' | 'width' | 'height'>,
  draft: number | undefined,
): { width: number; height: number; reduction: Reduction } {
  const reduction = format === 'jpeg' ? reductionOf(width, height, draft) : 1;
  return { width: Math.ceil(width / reduction), height: Math.ceil(height / reduction), reduction };
}
