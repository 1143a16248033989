// Generates src/generated from proto/: TypeScript by ts-proto, and the descriptor set that gRPC reflection
// serves, as a module so that it needs no file at run time. Skipped while every input is older than the output.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = join(dirname(fileURLToPath(import.meta.url)), '..');
const root = join(here, '..', '..');
const protos = join(root, 'proto');
const output = join(here, 'src', 'generated');
const descriptors = join(output, 'descriptors.ts');

const inputs = [
  fileURLToPath(import.meta.url),
  join(here, 'buf.gen.yaml'),
  join(root, 'node_modules', 'ts-proto', 'package.json'),
  join(root, 'node_modules', '@bufbuild', 'buf', 'package.json'),
  ...readdirSync(protos, { recursive: true }).map((name) => join(protos, name)),
];
const newest = Math.max(...inputs.map((file) => statSync(file).mtimeMs));
const made = statSync(descriptors, { throwIfNoEntry: false });
if (made && made.mtimeMs > newest) process.exit(0);

const buf = join(root, 'node_modules', '.bin', 'buf');
function run(...args) {
  const done = spawnSync(buf, args, { cwd: here, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
  if (done.status !== 0) process.exit(done.status ?? 1);
  return done.stdout;
}

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
run('generate');
const set = run('build', protos, '-o', '-#format=binpb').toString('base64');
const lines = set.match(/.{1,100}/g).map((line) => `  '${line}'`);
// Written last: it is the mark that generation came to its end.
writeFileSync(
  descriptors,
  `/** google.protobuf.FileDescriptorSet of proto/, base64. */\nexport const DESCRIPTORS =\n${lines.join(' +\n')};\n`,
);
