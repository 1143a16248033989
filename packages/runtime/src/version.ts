import { createRequire } from 'node:module';

/** Of all packages: they are released together. */
export const VERSION: string = createRequire(import.meta.url)('../package.json').version;
