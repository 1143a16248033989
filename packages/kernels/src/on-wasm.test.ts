// The tests of all kernels once more, on those that machines without native ones get.
import { it } from 'vitest';
import { backends } from './index.js';
import { use } from './testing/images.js';

if (backends().includes('wasm')) {
  use('wasm');
  await import('./blur.test.js');
  await import('./color.test.js');
  await import('./geometry.test.js');
  await import('./golden.test.js');
  await import('./pack.test.js');
  await import('./resize.test.js');
} else {
  it.skip('wasm is not to be had here');
}
