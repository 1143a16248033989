// Packs the built service with what it needs at run time into a folder that runs by itself, where there is a Node:
// node scripts/pack-service.mjs FOLDER. Installs and builds first what is not there yet.
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build, install, root } from './setup.mjs';

/** For developers: source maps, types, documents, and sources that were compiled. */
const NOT_AT_RUN_TIME = /\.(map|d\.[cm]?ts|ts|tsbuildinfo|md|markdown|cc|cpp|h|hpp|gyp|gypi)$|\/\.[^/]*$/i;
/** Of TurboJPEG's builds for every platform: those of this one, for glibc and musl. */
const OTHER_PLATFORMS = new RegExp(
  `/prebuilds/jpeg-turbo-(?!${process.platform}-${process.arch}(-musl)?(/|$))`,
);

const target = resolve(process.argv[2] ?? '');
if (process.argv.length !== 3) {
  console.error('usage: node scripts/pack-service.mjs FOLDER');
  process.exit(2);
}
install();
build();

const { packages } = JSON.parse(readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8'));
/** Workspaces are linked from node_modules; in the pack they lie there themselves. */
const places = new Map(
  Object.entries(packages).flatMap(([place, { link, resolved }]) => (link ? [[resolved, place]] : [])),
);
for (const [place, { dev, link }] of Object.entries(packages)) {
  const from = join(root, place);
  if (link || dev || !existsSync(from)) continue;
  const workspace = [...places.keys()].find((name) => place === name || place.startsWith(`${name}/`));
  const to = join(target, workspace ? place.replace(workspace, places.get(workspace)) : place);
  if (place === workspace) copyWorkspace(from, to);
  else copy(from, to);
}

/** What npm would publish of it. */
function copyWorkspace(from, to) {
  const { files = [] } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  for (const name of ['package.json', ...files]) copy(join(from, name), join(to, name));
}

/** Without packages inside, which are in the list themselves. */
function copy(from, to) {
  cpSync(from, to, {
    recursive: true,
    dereference: true,
    filter: (path) => {
      const inside = path.slice(from.length).replaceAll('\\', '/');
      return !(
        /\/node_modules(\/|$)/.test(inside) ||
        NOT_AT_RUN_TIME.test(inside) ||
        OTHER_PLATFORMS.test(path)
      );
    },
  });
}
