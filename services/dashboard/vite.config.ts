import { defineConfig } from 'vite';

/** Relative addresses: the page works wherever a proxy or a forwarded port puts it. */
export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    // Nothing inline: the page's policy allows only files of its own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
});
