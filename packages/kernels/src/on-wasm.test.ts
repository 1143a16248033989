// What machines without native kernels get.
import { testOn } from './testing/all-kernels.js';

await testOn('wasm');
