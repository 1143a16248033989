/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface SideLimits {
  /** What the short side becomes, in pixels. */
  readonly shortSide: number;
  /** What the long side may have at most; then the short side has less. */
  readonly longSide?: number | undefined;
}

/**
 * The size that torchvision's `Resize(shortSide, max_size=longSide)` gives an image, to the pixel; null for an image that
 * would not become smaller. (torchvision enlarges those; that would add bytes and no detail.)
 */
export function targetSize({ width, height }: Size, { shortSide, longSide }: SideLimits): Size | null {
  const short = Math.min(width, height);
  const long = Math.max(width, height);
  let newShort = shortSide;
  let newLong = Math.floor((shortSide * long) / short);
  if (longSide !== undefined && newLong > longSide) {
    // A thread of pixels keeps one.
    newShort = Math.max(1, Math.floor((longSide * newShort) / newLong));
    newLong = longSide;
  }
  if (newShort >= short || newLong >= long) return null;
  return width <= height ? { width: newShort, height: newLong } : { width: newLong, height: newShort };
}
