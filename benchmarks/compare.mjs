// `npm run bench:compare -- BASE [HEAD]`: whether HEAD (a commit; without it the working tree) is slower than BASE. Both are
// built in worktrees of their own and measured in turn, and BASE twice: how far its two copies differ is the noise. Ends with
// 1 where something is slower by more than that.
//   --rounds N (9)   --images N a round (240)   --data FOLDER   --json FILE
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cache, root } from '../scripts/setup.mjs';
import { benchmarkImages } from './images/images.mjs';
import { judge } from './judge.mjs';
import { inTurn, Lane } from './lane.mjs';
import { machine } from './machine.mjs';
import { cifarFolder } from './pipeline/cifar.mjs';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '9' },
    images: { type: 'string', default: '240' },
    data: { type: 'string' },
    json: { type: 'string' },
  },
});
const [base, head] = positionals;
const [rounds, images] = [Number(flags.rounds), Number(flags.images)];
if (base === undefined || positionals.length > 2 || !(rounds >= 3) || !(images >= 1)) {
  console.error(
    'npm run bench:compare -- BASE [HEAD] [--rounds N, 3 at least] [--images N] [--data FOLDER] [--json FILE]',
  );
  process.exit(2);
}

/** By name: a lane's kind and its images, as a share of a round's. */
const WORK = { 'DINO recipe': ['whole', 1], 'CIFAR-10 recipe': ['cifar10', 8] };

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();

function must(command, args, cwd) {
  const done = spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} failed in ${cwd}`);
}

/** The packages of the lock file that is here already are linked; another lock file's are installed. */
function install(tree) {
  const digest = (folder) =>
    createHash('sha256')
      .update(readFileSync(join(folder, 'package-lock.json')))
      .digest('hex');
  if (digest(tree) !== digest(root)) {
    must('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], tree);
    return;
  }
  const modules = join(tree, 'node_modules');
  mkdirSync(join(modules, '@cropstream'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== '@cropstream') symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  // Its own packages, not those of the tree that it was taken from.
  for (const folder of ['packages', 'services'].flatMap((above) =>
    readdirSync(join(tree, above)).map((name) => join(tree, above, name)),
  )) {
    if (!existsSync(join(folder, 'package.json'))) continue;
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    if (name.startsWith('@cropstream/')) symlinkSync(folder, join(modules, name));
  }
}

/** A built tree of a commit, kept for the next time; of no commit, the working tree. */
function treeOf(commit) {
  if (commit === undefined) {
    must(process.execPath, ['scripts/build.mjs'], root);
    return root;
  }
  const id = git('rev-parse', '--verify', `${commit}^{commit}`);
  const tree = join(cache, 'benchmarks', 'trees', id);
  const built = join(tree, '.built');
  if (existsSync(built)) return tree;
  console.error(`building ${commit} ...`);
  rmSync(tree, { recursive: true, force: true });
  git('worktree', 'prune');
  git('worktree', 'add', '--detach', '--force', tree, id);
  if (!existsSync(join(tree, 'benchmarks/pipeline/lane.mjs'))) {
    throw new Error(`${commit} has no benchmarks/pipeline/lane.mjs: it is older than this comparison`);
  }
  install(tree);
  must(process.execPath, ['scripts/build.mjs'], tree);
  writeFileSync(built, '');
  return tree;
}

const trees = { base: treeOf(base), head: treeOf(head) };
const folder = flags.data === undefined ? await benchmarkImages() : resolve(flags.data);
const folders = { whole: folder, cifar10: cifarFolder() };
const verdicts = [];
for (const [what, [kind, share]] of Object.entries(WORK)) {
  console.error(`${what} ...`);
  const lane = (name, tree) =>
    Lane.start(name, process.execPath, [
      join(tree, 'benchmarks/pipeline/lane.mjs'),
      kind,
      folders[kind],
      '1',
    ]);
  const lanes = await Promise.all([
    lane('base', trees.base),
    lane('head', trees.head),
    lane('base again', trees.base),
  ]);
  const taken = await inTurn(
    lanes.map((one) => ({ lane: one, images: images * share })),
    rounds,
  );
  await Promise.all(lanes.map((one) => one.stop()));
  const per = (name, spent) => taken[name].map((round) => spent(round) / round.images);
  const values = { CPU: ({ cpu_ms }) => cpu_ms };
  for (const stage of Object.keys(taken.base[0].stages)) values[stage] = ({ stages }) => stages[stage];
  for (const [value, spent] of Object.entries(values)) {
    verdicts.push({
      what: `${what}, ${value}`,
      ...judge(per('base', spent), per('head', spent), per('base again', spent)),
    });
  }
}

const { cpu, cores, load, node } = machine();
console.log(
  `\n${base} against ${head ?? 'the working tree'}, on ${cores} cores of ${cpu}, load ${load}; Node ${node}`,
);
console.log(`${'ms an image'.padEnd(26)} ${'base'.padStart(8)} ${'head'.padStart(8)}   head / base  noise`);
for (const { what, base: before, head: after, ratio, noise, verdict } of verdicts) {
  const percent = `${(100 * noise).toFixed(1)} %`;
  const line = `${what.padEnd(26)} ${before.toFixed(3).padStart(8)} ${after.toFixed(3).padStart(8)}   ${ratio.toFixed(3).padStart(11)}  ${percent.padStart(6)}`;
  console.log(`${line}  ${verdict === 'same' ? '' : verdict.toUpperCase()}`);
}
if (flags.json !== undefined) {
  const result = {
    machine: machine(),
    base: git('rev-parse', base),
    head: head ?? 'working tree',
    rounds,
    images,
    verdicts,
  };
  writeFileSync(resolve(process.env.INIT_CWD ?? '.', flags.json), `${JSON.stringify(result, null, 2)}\n`);
}
process.exit(verdicts.some(({ verdict }) => verdict === 'slower') ? 1 : 0);
