// @ts-check
import { randomOf } from '../random.mjs';

/** How many of each part a fleet under chaos has. */
export const FLEET = { worker: 4, coordinator: 2, trainer: 4, redis: 1 };

/**
 * What is done, how often of a thousand faults, and to which kinds of part in turn of their weights. A link is what lies
 * between a part and those that call it.
 *
 * @type {Record<FaultKind, { share: number, parts: Partial<Record<PartKind, number>> }>}
 */
const KINDS = {
  kill: { share: 600, parts: { worker: 40, trainer: 25, coordinator: 20, redis: 15 } },
  stop: { share: 150, parts: { worker: 45, trainer: 20, coordinator: 25, redis: 10 } },
  cut: { share: 200, parts: { worker: 60, coordinator: 25, redis: 15 } },
  silence: { share: 50, parts: { worker: 60, coordinator: 40 } },
};

/** From one fault to the next, on average. Faults do not wait for the last one's end. */
const GAP_MS = 1_700;
/** How long a part is gone before it is started again: none at best, as by a supervisor on the machine. */
const DOWN_MS = 1_500;
/** How long a part is stopped, or a link silent. Leases are 1.5 s (workers) and 5 s (attachments): some longer, some not. */
const HELD_MS = { least: 100, most: 4_000 };
/** The part of all kills that do not wait until the process is up again after the last one. */
const EARLY = 0.15;
/** What a killed Redis may have forgotten of its last writes: what `appendfsync everysec` risks. */
const FORGET_MS = 1_000;

/** @typedef {keyof typeof FLEET} PartKind */
/** @typedef {'kill' | 'stop' | 'cut' | 'silence'} FaultKind */
/**
 * @typedef {object} Fault
 * @property {number} gapMs after the last one
 * @property {FaultKind} kind `cut`: in mid-frame, everyone who is connected; `silence`: nothing passes, nothing is closed
 * @property {PartKind} part
 * @property {number} index which of them
 * @property {number} forMs how long it is down, stopped or silent; 0 for a cut
 * @property {boolean} early of a kill: it may meet a process that still starts
 * @property {number} forgetMs of a killed Redis: so much of its last writes is lost
 */

/**
 * The faults of a seed, until so many kills are among them: who, what, in which order and how long. When each comes
 * true depends on the machine a little.
 *
 * @param {number} seed
 * @param {number} kills
 * @returns {Fault[]}
 */
export function planFaults(seed, kills) {
  const random = randomOf(seed);
  const faults = [];
  for (let killed = 0; killed < kills; ) {
    const kind = draw(
      random,
      mapValues(KINDS, ({ share }) => share),
    );
    const part = draw(random, KINDS[kind].parts);
    const forMs = { kill: DOWN_MS * random(), cut: 0 }[String(kind)] ?? held(random);
    faults.push({
      gapMs: Math.round(-GAP_MS * Math.log(1 - random())),
      kind,
      part,
      index: Math.floor(random() * FLEET[part]),
      forMs: Math.round(forMs),
      early: random() < EARLY,
      forgetMs: kind === 'kill' && part === 'redis' ? Math.round(FORGET_MS * random()) : 0,
    });
    if (kind === 'kill') killed++;
  }
  return faults;
}

/** @param {() => number} random */
const held = (random) => HELD_MS.least * (HELD_MS.most / HELD_MS.least) ** random();

/**
 * One of the names, by their weights.
 *
 * @template {string} Name
 * @param {() => number} random
 * @param {Partial<Record<Name, number>>} weights
 * @returns {Name}
 */
function draw(random, weights) {
  const entries = /** @type {[Name, number][]} */ (Object.entries(weights));
  let left = random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) {
    left -= weight;
    if (left < 0) return name;
  }
  return /** @type {[Name, number]} */ (entries.at(-1))[0];
}

/**
 * @template {string} Name
 * @template From
 * @template To
 * @param {Record<Name, From>} record
 * @param {(value: From) => To} map
 */
export const mapValues = (record, map) =>
  /** @type {Record<Name, To>} */ (
    Object.fromEntries(
      Object.entries(record).map(([name, value]) => [name, map(/** @type {From} */ (value))]),
    )
  );
