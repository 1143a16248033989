// @ts-check
// `npm run rolling-upgrade`: every coordinator and worker of a fleet of processes is replaced while a job draws; its stream
// must be the undisturbed one. Once by a version with the same pixels, once by one with others. docs/kubernetes.md. Needs
// redis-server and a build.
//   --coordinators N (2)   --workers N (3)
//   --json                 one JSON object on stdout instead of the report
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { endOnSignals } from '../processes.mjs';
import { otherFingerprint, sameFingerprint } from './upgrade.mjs';

const { values: options } = parseArgs({
  options: {
    coordinators: { type: 'string', default: '2' },
    workers: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const size = { coordinators: Number(options.coordinators), workers: Number(options.workers) };
for (const [name, value] of Object.entries(size)) {
  if (Number.isSafeInteger(value) && value >= 1) continue;
  console.error(`--${name}: an integer of at least 1 is wanted`);
  process.exit(2);
}

endOnSignals();
const folder = () => mkdtempSync(join(tmpdir(), 'cropstream-upgrade-'));
/** @template T @param {(folder: string, size: { coordinators: number, workers: number }) => Promise<T>} upgrade */
async function inFolder(upgrade) {
  const path = folder();
  try {
    return await upgrade(path, size);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** @param {readonly { digest: string, equal: boolean }[]} ranks */
const digests = (ranks) =>
  ranks.map(({ digest, equal }) => `${digest.slice(0, 16)} ${equal ? 'equal' : 'DIFFERENT'}`).join(', ');
/** @param {number} ms */
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
/** @param {string} text */
const tell = (text) => {
  if (!options.json) console.log(text);
};

const { coordinators, workers } = size;
const same = await inFolder(sameFingerprint);
tell(`The same pixels: ${coordinators} coordinators and ${workers} workers replaced in ${same.seconds.toFixed(1)} s
  steps of ${same.ranks.length} ranks                  ${same.steps}
  longest wait for a batch          ${seconds(same.longestWaitMs)}
  beside the undisturbed stream     ${digests(same.ranks)}
`);
const other = await inFolder(otherFingerprint);
tell(`Other pixels: ${workers} workers came beside the old ones, ${coordinators} coordinators were replaced, and the old workers ended after their run, in ${other.seconds.toFixed(1)} s
  steps of the pinned run           ${other.steps}
  longest wait for a batch          ${seconds(other.longestWaitMs)}
  beside the undisturbed stream     ${digests(other.ranks)}
  a run opened meanwhile            ${digests(other.newRun.ranks)}
  the pinned run, its workers gone  ${other.withoutOldWorkers?.code}: ${other.withoutOldWorkers?.problem}`);

const failures = [...same.failures, ...other.failures];
for (const failure of failures) tell(failure);
const isEqual = [...same.ranks, ...other.ranks, ...other.newRun.ranks].every(({ equal }) => equal);
const ok = isEqual && failures.length === 0;
if (options.json) console.log(JSON.stringify({ ok, same, other }));
process.exit(ok ? 0 : 1);
