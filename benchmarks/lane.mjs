// One of the programs that are measured in turn: a process that stays warm, does so many images for each line of JSON on
// its stdin, and says on stdout what that took. Peers in other languages speak the same (pipeline/peers.py).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A two-threaded pipeline compiles no more after some 2,000 images. */
const WARM_UP_MS = 9_000;

/** A lane's process, once it is ready. */
export class Lane {
  #child;
  #lines;

  /** @param {string} name @param {string} command @param {string[]} args @param {Record<string, string>} [env] */
  static async start(name, command, args, env = {}) {
    const lane = new Lane();
    lane.name = name;
    lane.#child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    lane.#lines = createInterface({ input: lane.#child.stdout })[Symbol.asyncIterator]();
    lane.version = (await lane.#answer()).ready;
    return lane;
  }

  get pid() {
    return this.#child.pid;
  }

  /** Does so much work; what it took, per image. */
  async run(images) {
    this.#child.stdin.write(`${JSON.stringify({ images })}\n`);
    return this.#answer();
  }

  /** Works until the engine has compiled what is hot, which is work of its own: as a service has after seconds of days. */
  async warmUp(images) {
    const began = performance.now();
    do await this.run(images);
    while (performance.now() - began < WARM_UP_MS);
  }

  async stop() {
    if (this.#child.exitCode !== null) return;
    this.#child.stdin.end();
    await once(this.#child, 'exit');
  }

  async #answer() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.name} ended before it answered`);
    return JSON.parse(value);
  }
}

/** The other side: answers each line by `work(images)`, and ends with stdin. */
export async function answerLines(version, work) {
  console.log(JSON.stringify({ ready: version }));
  for await (const line of createInterface({ input: process.stdin })) {
    const { images } = JSON.parse(line);
    const cpu = process.cpuUsage();
    const began = performance.now();
    const more = await work(images);
    const wall_ms = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    console.log(JSON.stringify({ images, wall_ms, cpu_ms: (user + system) / 1000, ...more }));
  }
}

/**
 * Runs lanes in turn, so that whatever else the machine does falls on all alike.
 *
 * @param {{ lane: Lane, images: number }[]} lanes
 * @returns by lane's name, what each round took per image
 */
export async function inTurn(lanes, rounds) {
  for (const { lane, images } of lanes) await lane.warmUp(images);
  const taken = Object.fromEntries(lanes.map(({ lane }) => [lane.name, []]));
  for (let round = 0; round < rounds; round++) {
    // Every second round goes backwards: none always follows the same.
    const order = round % 2 === 0 ? lanes : [...lanes].reverse();
    for (const { lane, images } of order) {
      // An engine gives memory back while it idles, and takes it again: not what steady work costs.
      await lane.run(Math.ceil(images / 2));
      taken[lane.name].push(await lane.run(images));
    }
  }
  return taken;
}
