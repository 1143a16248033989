import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeImages, type Served, serve, temporaryFolder } from './harness.js';

/** Every command line of docs/http-api.md. */
const page = readFileSync(new URL('../../docs/http-api.md', import.meta.url), 'utf8');
const lines = [...page.matchAll(/^curl .*$/gm)].map(([line]) => line);

const folder = temporaryFolder();
const data = join(folder.path, 'images');
let served: Served;

beforeAll(async () => {
  await makeImages(data, 16);
  served = await serve(['--data', data, '--recipe', 'dino', '--global-batch-size', '4', '--threads', '1']);
});

afterAll(async () => {
  await served?.stop();
  folder.remove();
});

test('the page has command lines', () => expect(lines.length).toBeGreaterThan(15));

/** What the page shows it with; a small image may lack it. */
const hasCurl = spawnSync('curl', ['--version']).status === 0;

test.skipIf(!hasCurl).each(lines)('%s', async (line) => {
  const env = { ...process.env, HTTP: served.http, DATA: data, RUN: served.run };
  const command = `${line} -w '\\n%{http_code}'`;
  const { stdout } = await promisify(execFile)('sh', ['-c', command], { cwd: folder.path, env }).catch(
    // --max-time ends the stream of events.
    (error: { code: number; stdout: string }) => (error.code === 28 ? error : Promise.reject(error)),
  );
  const status = Number(stdout.split('\n').at(-1));
  expect(status, stdout).toBe(expected(line));
});

/** The status that the page says a line is answered with. */
function expected(line: string): number {
  if (line.includes('limit=0')) return 400;
  if (line.includes('DELETE')) return 204;
  return line.includes('POST $HTTP/api/v1/runs -H') ? 201 : 200;
}
