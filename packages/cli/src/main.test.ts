import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { makeDemoImages } from './demo/demo-images.js';

const bin = fileURLToPath(new URL('../bin/cropstream.js', import.meta.url));

function start(...args: string[]) {
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const done = Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  return { child, done: done.then(([[code], stdout, stderr]) => ({ code: Number(code), stdout, stderr })) };
}

test('help and version end well, without a word on stderr', async () => {
  const help = await start('--help').done;
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('preview');
  expect((await start('--version').done).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('an unknown flag and a wrong value exit with 2, a missing folder with 1', async () => {
  expect(await start('stats', '--dta', 'x').done).toMatchObject({ code: 2, stdout: '' });
  expect(await start('stats', '--data', '.', '--recipe', 'dno').done).toMatchObject({ code: 2, stdout: '' });
  const missing = await start('stats', '--data', './nowhere', '--json').done;
  expect(missing.code).toBe(1);
  expect(missing.stderr).toMatch(/^error: .*nowhere/m);
  expect(JSON.parse(missing.stdout)).toMatchObject({ error: { code: 'DATASET_NOT_FOUND' } });
});

test.each<[[string, ...string[]], string, string | RegExp, RegExp]>([
  [['serve', '--port', 'abc'], '--port', 'abc', /^an integer of at least 0, at most 65535$/],
  [['bench', '--decoder', 'fast'], '--decoder', 'fast', /^one of auto, turbojpeg, sharp$/],
  [['stats', '--dta', 'x'], 'flag', '--dta', /^--data \(did you mean it\?\)/],
  [['srve'], 'command', 'srve', /^serve \(did you mean it\?\)/],
  [['pull', '--steps'], '--steps', 'nothing', /^a value: --steps <n>$/],
  [['pull', 'x'], 'the command line', /too many arguments/, /--help/],
  [['serve', '/photos'], 'the command line', '/photos', /--data \/photos$/],
  [['serve', '--batch-size', '8'], 'flag', '--batch-size', /^--global-batch-size \(did you mean it\?\)/],
  [['pull', '--world-size', '8'], 'flag', '--world-size', /^--world \(did you mean it\?\)/],
  [['stats', '--data', ''], '--data', '""', /not empty/],
  [['pull', '--steps', '3', '--epochs', '2'], '--epochs', 'together with --steps', /^one of the two$/],
])('%j is told as every other error, and in JSON', async (args, field, value, allowed) => {
  const { code, stdout, stderr } = await start(args[0], '--json', ...args.slice(1)).done;
  expect(code).toBe(2);
  expect(stderr).toMatch(/^error: .*\n {2}help: .*\n {2}code: SPEC_INVALID\n$/);
  expect(JSON.parse(stdout)).toMatchObject({
    error: {
      code: 'SPEC_INVALID',
      details: { field, value: expect.stringMatching(value), allowed: expect.stringMatching(allowed) },
    },
  });
});

test('a flag that must be there is named, with what it wants', async () => {
  const { code, stderr } = await start('convert', '--data', 'x', '--out', 'y').done;
  expect(code).toBe(2);
  expect(stderr).toContain('error: --to is missing; expected what to write (litdata, webdataset)');
  expect((await start('convert', '--to', 'litdata').done).stderr).toMatch(
    /^error: --out is missing; .* folder/,
  );
});

test.runIf(existsSync('/dev/full'))('a full disk behind stdout is told in one block', async () => {
  const full = await open('/dev/full', 'w');
  onTestFinished(() => full.close());
  const child = spawn(process.execPath, [bin, '--help'], { stdio: ['ignore', full.fd, 'pipe'] });
  const [[code], stderr] = await Promise.all([once(child, 'close'), text(child.stderr!)]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^error: cannot write to stdout: .*\n {2}help: .*\n {2}code: OUTPUT_UNWRITABLE\n$/);
});

test('an interrupted command ends by itself with 130', async () => {
  const data = await mkdtemp(join(tmpdir(), 'cropstream-main-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  await makeDemoImages(data, { count: 1 });
  const out = join(data, 'out');
  const many = Array.from({ length: 5000 }, () => 0).join();
  const long = start('augment', '--data', data, '--index', many, '--out', out);
  await expect.poll(() => existsSync(out), { timeout: 30_000 }).toBe(true);
  long.child.kill('SIGINT');
  expect(await long.done).toMatchObject({ code: 130, stdout: '' });
});
