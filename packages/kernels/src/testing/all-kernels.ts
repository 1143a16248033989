import { it } from 'vitest';
import { backends } from '../index.js';
import type { Backend } from '../wasm-module.js';
import { use } from './images.js';

/** The tests of all kernels once more, on a backend that is not this machine's fastest. */
export async function testOn(backend: Backend): Promise<void> {
  if (!backends().includes(backend)) {
    it.skip(`${backend} is not to be had here`);
    return;
  }
  use(backend);
  await import('../blur.test.js');
  await import('../color.test.js');
  await import('../geometry.test.js');
  await import('../golden.test.js');
  await import('../pack.test.js');
  await import('../resize.test.js');
}
