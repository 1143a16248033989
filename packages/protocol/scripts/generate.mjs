// Generates src/generated from proto/: TypeScript by ts-proto, and the descriptor set that gRPC reflection
// serves. Skipped while the newest input is older than the output.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = join(dirname(fileURLToPath(import.meta.url)), '..');
const root = join(here, '..', '..');
const protos = join(root, 'proto');
const output = join(here, 'src', 'generated');
const descriptors = join(output, 'descriptors.binpb');

const inputs = [
  fileURLToPath(import.meta.url),
  join(here, 'buf.gen.yaml'),
  join(root, 'package-lock.json'),
  ...readdirSync(protos, { recursive: true }).map((name) => join(protos, name)),
];
const newest = Math.max(...inputs.map((file) => statSync(file).mtimeMs));
const made = statSync(descriptors, { throwIfNoEntry: false });
if (made && made.mtimeMs > newest) process.exit(0);

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
const buf = join(root, 'node_modules', '.bin', 'buf');
for (const args of [['generate'], ['build', protos, '-o', descriptors]]) {
  const done = spawnSync(buf, args, { cwd: here, stdio: 'inherit' });
  if (done.status !== 0) process.exit(done.status ?? 1);
}
