// Removes everything that is built, downloaded or made, but for node_modules.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

const workspaces = ['packages', 'services'].flatMap((folder) =>
  readdirSync(join(root, folder)).map((name) => join(folder, name)),
);
const made = ['.cache', 'demo', ...workspaces.flatMap((w) => [join(w, 'dist'), join(w, 'src', 'generated')])];
for (const path of made) rmSync(join(root, path), { recursive: true, force: true });
