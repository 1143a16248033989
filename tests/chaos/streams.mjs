// @ts-check
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** @typedef {import('./trainer.mjs').Commit} Commit */

/**
 * @param {string} journal
 * @returns {Commit[]}
 */
export const readJournal = (journal) =>
  readFileSync(journal, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/**
 * One digest of a rank's stream: of its lines `<step> <digest of the batch>`, as `pull --digests` writes them.
 *
 * @param {readonly string[]} lines
 */
export function streamDigest(lines) {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(`${line}\n`);
  return hash.digest('hex');
}

/**
 * A rank's joined stream against the undisturbed one.
 *
 * @param {readonly string[]} lines
 * @param {readonly string[]} expected
 */
export function compareStreams(lines, expected) {
  /** @param {string} line */
  const stepOf = (line) => Number(line.split(' ')[0]);
  const steps = new Set(lines.map(stepOf));
  const known = new Set(expected);
  return {
    digest: streamDigest(lines),
    equal: streamDigest(lines) === streamDigest(expected),
    lost: expected.filter((line) => !steps.has(stepOf(line))).length,
    repeated: lines.length - steps.size,
    other: lines.filter((line) => !known.has(line)).length,
  };
}
