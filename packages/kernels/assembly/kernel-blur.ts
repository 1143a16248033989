// torchvision's Gaussian blur as two symmetric one-dimensional filters in f32, columns first: fixed order of
// summation, from the centre outwards, neighbours at equal distance added before they are weighed.
import { highFloats, load8, lowFloats, nearest, store8 } from './lanes';

// @ts-ignore: decorator
@inline
function mirror(at: isize, size: isize): usize {
  return <usize>(at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at);
}

/**
 * One plane. `weights` are radius + 1 floats from the centre outwards; `line` is scratch for width + 2 * radius + 8
 * floats. `radius` is smaller than either side.
 */
export function kernelBlur(
  from: usize,
  to: usize,
  width: isize,
  height: isize,
  radius: isize,
  weights: usize,
  line: usize,
): void {
  const middle = line + (<usize>radius << 2);
  for (let y: isize = 0; y < height; y++) {
    for (let x: isize = 0; x < width; x += 8) {
      const column = from + <usize>x;
      const centre = load8(column + <usize>y * <usize>width);
      const weight = v128.load32_splat(weights);
      let low = f32x4.mul(weight, lowFloats(centre));
      let high = f32x4.mul(weight, highFloats(centre));
      for (let d: isize = 1; d <= radius; d++) {
        const a = load8(column + mirror(y - d, height) * <usize>width);
        const b = load8(column + mirror(y + d, height) * <usize>width);
        const pair = i16x8.add(a, b);
        const w = v128.load32_splat(weights + (<usize>d << 2));
        low = f32x4.add(low, f32x4.mul(w, lowFloats(pair)));
        high = f32x4.add(high, f32x4.mul(w, highFloats(pair)));
      }
      v128.store(middle + (<usize>x << 2), low);
      v128.store(middle + (<usize>x << 2), high, 16);
    }
    for (let d: isize = 1; d <= radius; d++) {
      store<f32>(middle - (<usize>d << 2), load<f32>(middle + (<usize>d << 2)));
      store<f32>(middle + (<usize>(width - 1 + d) << 2), load<f32>(middle + (<usize>(width - 1 - d) << 2)));
    }
    // The last store of a row runs into the next row, which is written after it.
    for (let x: isize = 0; x < width; x += 8) {
      const at = middle + (<usize>x << 2);
      const weight = v128.load32_splat(weights);
      let low = f32x4.mul(weight, v128.load(at));
      let high = f32x4.mul(weight, v128.load(at, 16));
      for (let d: isize = 1; d <= radius; d++) {
        const left = at - (<usize>d << 2);
        const right = at + (<usize>d << 2);
        const w = v128.load32_splat(weights + (<usize>d << 2));
        low = f32x4.add(low, f32x4.mul(w, f32x4.add(v128.load(left), v128.load(right))));
        high = f32x4.add(high, f32x4.mul(w, f32x4.add(v128.load(left, 16), v128.load(right, 16))));
      }
      store8(to + <usize>(y * width + x), nearest(low), nearest(high));
    }
  }
}
