// Writes every damaged JPEG of the corpus to standard output, for Pillow to judge: for each, a line
// "<base> <kind> <bytes>\n" and then the bytes. `node dump-decode-corpus.mjs [rounds]`, after a build.
import { readFileSync } from 'node:fs';
import { CORPUS_BASES, corruptions } from '../dist/decode/testing/corruptions.js';

const assets = new URL('../assets/decode/', import.meta.url);
const rounds = Number(process.argv[2] ?? 1);
process.stdout.on('error', () => process.exit(1));
for (const base of CORPUS_BASES) {
  const jpeg = new Uint8Array(readFileSync(new URL(base, assets)));
  for (const { kind, bytes } of corruptions(base, jpeg, rounds)) {
    process.stdout.write(`${base} ${kind} ${bytes.length}\n`);
    process.stdout.write(bytes);
  }
}
