import type { Box, Pixels } from '../types.js';

/** The pixels of `box`; those outside the image are zero, as torchvision's `center_crop` pads. */
export function crop(image: Pixels, box: Box): Pixels {
  const data = new Uint8Array(box.width * box.height * 3);
  for (let y = 0; y < box.height; y++) {
    const fromY = box.y + y;
    if (fromY < 0 || fromY >= image.height) continue;
    for (let x = 0; x < box.width; x++) {
      const fromX = box.x + x;
      if (fromX < 0 || fromX >= image.width) continue;
      const from = (fromY * image.width + fromX) * 3;
      data.set(image.data.subarray(from, from + 3), (y * box.width + x) * 3);
    }
  }
  return { width: box.width, height: box.height, data };
}

/** Columns in reverse order. */
export function flipHorizontal(image: Pixels): Pixels {
  const { width, height } = image;
  const data = new Uint8Array(image.data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + (width - 1 - x)) * 3;
      data.set(image.data.subarray(from, from + 3), (y * width + x) * 3);
    }
  }
  return { width, height, data };
}
