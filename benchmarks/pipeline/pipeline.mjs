// The bare pipeline, by stage and core, beside its floor and its peers: every program makes the same recipe of the same
// files, in turn.
import { fileURLToPath } from 'node:url';
import { benchmarkImages } from '../images/images.mjs';
import { inTurn, Lane } from '../lane.mjs';
import { measure, ratio } from '../statistics.mjs';
import { cifarFolder } from './cifar.mjs';
import { findPeers } from './peers.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const STAGES = ['decode', 'resize', 'color', 'blur', 'pack'];
/** Peers that decode by themselves. */
const DECODERS = ['pillow', 'opencv'];
/** Of a peer's images in a round: they take ten times as long. */
const PEER_SHARE = 1 / 12;

const own = (name, kind, folder, threads = 1) =>
  Lane.start(name, process.execPath, [here('lane.mjs'), kind, folder, String(threads)]);

const cpu = (rounds) => rounds.map(({ cpu_ms, images }) => cpu_ms / images);
const wall = (rounds) => rounds.map(({ wall_ms, images }) => wall_ms / images);
const perSecond = (ms) => ms.map((value) => 1000 / value);

async function withLanes(starting, images, rounds) {
  const started = await Promise.all(starting);
  try {
    const work = started.map(({ lane, share = 1 }) => ({
      lane,
      images: Math.max(4, Math.round(images * share)),
    }));
    return {
      taken: await inTurn(work, rounds),
      versions: started.map(({ lane }) => `${lane.name}: ${lane.version}`),
    };
  } finally {
    await Promise.all(started.map(({ lane }) => lane.stop()));
  }
}

const asLane = async (starting, share) => ({ lane: await starting, share });

/** @param {{ data?: string, rounds: number, images: number }} options */
export async function pipeline({ data, rounds, images }) {
  const folder = data ?? (await benchmarkImages());
  const peers = findPeers();
  const peer = (library, recipe, from) =>
    asLane(
      Lane.start(`${library} ${recipe}`, peers.python, [here('peers.py'), library, recipe, from]),
      PEER_SHARE,
    );
  const measures = {};
  const add = (name, unit, better, values) => {
    measures[name] = measure(unit, better, values);
  };

  const dino = await withLanes(
    [
      asLane(own('whole', 'whole', folder)),
      asLane(own('crops', 'crops', folder)),
      asLane(own('decode', 'decode', folder)),
      asLane(own('floor', 'floor', folder)),
      asLane(own('two threads', 'whole', folder, 2)),
      ...peers.libraries.map((library) => peer(library, 'dino', folder)),
      ...DECODERS.filter((library) => peers.libraries.includes(library)).map((library) =>
        peer(library, 'decode', folder),
      ),
    ],
    images,
    rounds,
  );
  const { whole, crops, decode, floor: bare, 'two threads': two } = dino.taken;
  add('CPU of the whole recipe', 'ms/image', 'lower', cpu(whole));
  add('one thread, whole recipe', 'ms/image', 'lower', wall(whole));
  for (const stage of STAGES) {
    const spent = whole.map(({ stages, images: made }) => stages[stage] / made);
    add(`stage ${stage}`, 'ms/image', 'lower', spent);
  }
  add('one thread, crops alone', 'ms/image', 'lower', wall(crops));
  add('one thread, decoding alone', 'ms/image', 'lower', wall(decode));
  add('libjpeg-turbo alone', 'ms/image', 'lower', wall(bare));
  add('one thread', 'images/s', 'higher', perSecond(wall(whole)));
  add('two threads', 'images/s', 'higher', perSecond(wall(two)));
  add('one core', 'images/s', 'higher', perSecond(cpu(whole)));
  measures['two threads / one'] = ratio('higher', wall(whole), wall(two));
  measures['whole / decoding'] = ratio('lower', wall(whole), wall(decode));
  measures['crops / decoding'] = ratio('lower', wall(crops), wall(decode));
  measures['whole / libjpeg-turbo'] = ratio('lower', wall(whole), wall(bare));
  measures['crops / libjpeg-turbo'] = ratio('lower', wall(crops), wall(bare));
  for (const library of peers.libraries) {
    const made = cpu(dino.taken[`${library} dino`]);
    add(`${library}, whole recipe`, 'ms/image', 'neither', made);
    const decoded = dino.taken[`${library} decode`];
    if (decoded) add(`${library}, decoding alone`, 'ms/image', 'neither', cpu(decoded));
    measures[`whole recipe: ${library} / cropstream`] = ratio('higher', made, cpu(whole));
  }

  const small = cifarFolder();
  const cifar = await withLanes(
    [
      asLane(own('cifar10', 'cifar10', small)),
      ...peers.libraries.map((library) => peer(library, 'cifar10', small)),
    ],
    5 * images,
    rounds,
  );
  add('CIFAR-10 recipe, one core', 'images/s', 'higher', perSecond(cpu(cifar.taken.cifar10)));
  add('CIFAR-10 recipe, one thread', 'ms/image', 'lower', wall(cifar.taken.cifar10));
  for (const library of peers.libraries) {
    const made = cpu(cifar.taken[`${library} cifar10`]);
    add(`CIFAR-10 recipe, ${library}`, 'ms/image', 'neither', made);
    measures[`CIFAR-10 recipe: ${library} / cropstream`] = ratio('higher', made, cpu(cifar.taken.cifar10));
  }
  return { measures, versions: dino.versions, notMeasured: peers.missing };
}
