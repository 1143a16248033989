// `npm run demo [-- FOLDER]`: from a bare clone to batches. Installs, builds, serves a folder of images (yours, or
// pictures that it draws), pulls six epochs as a trainer would, and leaves contact sheets to look at in demo/.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { build, install, must, root } from './setup.mjs';

const given = process.argv[2];
if (given?.startsWith('-')) {
  console.log(
    'npm run demo                 with pictures that it draws\nnpm run demo -- FOLDER       with yours',
  );
  process.exit(given === '--help' || given === '-h' ? 0 : 2);
}
const folder = given === undefined ? undefined : resolve(process.env.INIT_CWD ?? process.cwd(), given);
if (folder !== undefined && !existsSync(folder)) {
  console.error(`${folder} does not exist. Give a folder of images, or none and the demo draws some.`);
  process.exit(1);
}

install();
build();

process.chdir(root);
const out = 'demo';
mkdirSync(out, { recursive: true });
const cropstream = join(root, 'packages', 'cli', 'bin', 'cropstream.js');
const show = (args) => console.log(`\n$ cropstream ${args.join(' ')}`);

const data = folder ?? (await drawImages(join(out, 'images')));
const server = await serve([
  ...['serve', '--data', data, '--recipe', 'dino'],
  ...(folder === undefined ? ['--global-batch-size', '16'] : []),
  ...['--port', '0', '--http-port', '0', '--log-level', 'warn', '--json'],
]);
try {
  const pull = ['pull', '--target', server.target, '--epochs', '6'];
  show(pull);
  must(process.execPath, [cropstream, ...pull]);
} finally {
  server.process.kill('SIGTERM');
  await once(server.process, 'exit');
}
for (const args of [
  ['preview', '--data', data, '--recipe', 'dino', '--out', join(out, 'crops.png')],
  ['preview', '--effects', '--data', data, '--recipe', 'dino', '--out', join(out, 'effects.png')],
]) {
  show(args);
  must(process.execPath, [cropstream, ...args]);
}
console.log(`
Look at demo/crops.png (every view of some images) and demo/effects.png (what each step does).
Next:
  npx cropstream serve --data ${data}
  npx cropstream pull       in another terminal: a trainer that draws an epoch
  npx cropstream --help     everything else`);

async function drawImages(target) {
  const { makeDemoImages } = await import(
    pathToFileURL(join(root, 'packages/cli/dist/demo/demo-images.js')).href
  );
  console.log(`No folder given: drawing 48 pictures in demo/images ...`);
  await makeDemoImages(target);
  return target;
}

/** Starts the service and waits for the one line of JSON that says where it listens. */
async function serve(args) {
  show(args);
  const child = spawn(process.execPath, [cropstream, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.on('exit', () => child.kill());
  const first = once(createInterface({ input: child.stdout }), 'line').then(([line]) => line);
  const line = await Promise.race([first, once(child, 'exit').then(() => null)]);
  const { target } = JSON.parse(line ?? '{}');
  if (target === undefined) process.exit(1); // it has said why
  return { process: child, target };
}
