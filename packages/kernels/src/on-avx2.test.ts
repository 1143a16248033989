// What processors without AVX-512 get.
import { testOn } from './testing/all-kernels.js';

await testOn('avx2');
