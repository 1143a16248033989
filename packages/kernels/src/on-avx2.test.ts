// The tests of all kernels once more, on those that processors without AVX-512 get.
import { it } from 'vitest';
import { backends } from './index.js';
import { use } from './testing/images.js';

if (backends().includes('avx2')) {
  use('avx2');
  await import('./blur.test.js');
  await import('./color.test.js');
  await import('./geometry.test.js');
  await import('./golden.test.js');
  await import('./pack.test.js');
  await import('./resize.test.js');
} else {
  it.skip('avx2 is not to be had here');
}
