// @ts-check
import { appendFileSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Of the log of a part that ended by itself, what a report shows. */
const TOLD_CHARACTERS = 1_500;

/** A process that is started again whenever it ends, as a supervisor does, and that faults strike. */
export class Part {
  /** What ended by itself though nothing was done to it. @type {string[]} */
  failures = [];
  /** Whether it ended in order, with 0, and is not wanted again. */
  done = false;
  kills = 0;
  /** How long its processes took from their start until they worked, in milliseconds. @type {number[]} */
  starts = [];
  /** @type {import('../processes.mjs').Launched | null} */
  #launched = null;
  #downMs = 0;
  #killed = false;
  #ending = false;
  #up = false;
  /** @type {Promise<void> | null} */
  #supervised = null;

  /**
   * @param {object} options
   * @param {string} options.name
   * @param {string} options.logFile all that its processes say
   * @param {() => import('../processes.mjs').Launched} options.launch
   * @param {(launched: import('../processes.mjs').Launched) => Promise<unknown>} options.isUp resolves when it works
   * @param {import('./proxy.mjs').TcpProxy} [options.proxy] by which the others reach it
   */
  constructor({ name, logFile, launch, isUp, proxy }) {
    this.name = name;
    this.logFile = logFile;
    this.launch = launch;
    this.isUp = isUp;
    this.proxy = proxy ?? null;
  }

  /** Its process now, if there is one. */
  get launched() {
    return this.#launched;
  }

  start() {
    this.#supervised ??= this.#supervise();
  }

  /** Resolves when its process works, or none is wanted any more. */
  async whenUp() {
    while (!this.#up && !this.done && !this.#ending) await sleep(10);
  }

  /**
   * SIGKILL, and so long without it.
   *
   * @param {number} downMs
   * @param {boolean} early also while it still starts
   */
  async kill(downMs, early) {
    if (!early) await this.whenUp();
    const launched = await this.#present();
    if (launched === null) return;
    this.#killed = true;
    this.#downMs = downMs;
    this.kills++;
    launched.kill('SIGKILL');
    await launched.ended;
  }

  /**
   * SIGSTOP, and SIGCONT after so long.
   *
   * @param {number} ms
   */
  async pause(ms) {
    const launched = await this.#present();
    launched?.kill('SIGSTOP');
    await sleep(ms);
    launched?.kill('SIGCONT');
  }

  /** Resolves when it has ended in order. */
  async finished() {
    await this.#supervised;
  }

  async stop() {
    this.#ending = true;
    this.#launched?.kill('SIGKILL');
    await this.#supervised;
  }

  /** A process to strike: the next one where the last was struck a moment ago. */
  async #present() {
    while (this.#launched === null && !this.done && !this.#ending) await sleep(10);
    return this.#launched;
  }

  async #supervise() {
    while (!this.#ending && !this.done) {
      this.#killed = false;
      const launched = this.launch();
      this.#launched = launched;
      const began = performance.now();
      this.isUp(launched).then(
        () => {
          this.starts.push(performance.now() - began);
          this.#up = this.#launched === launched;
        },
        // That it ended is told below.
        () => undefined,
      );
      const code = await launched.ended;
      this.#launched = null;
      this.#up = false;
      appendFileSync(this.logFile, launched.log());
      if (code === 0) this.done = true;
      else if (!this.#killed && !this.#ending) {
        this.failures.push(
          `${this.name} ended by itself with ${code}: ${launched.log().slice(-TOLD_CHARACTERS)}`,
        );
      }
      if (!this.done && !this.#ending) await sleep(this.#killed ? this.#downMs : 1_000);
    }
  }
}

/** Between looks at the length of the append-only file. */
const LOOK_MS = 50;

/** A redis-server that faults strike. A kill may lose the last writes too, as a machine that loses its power does. */
export class RedisPart {
  name = 'redis 0';
  kills = 0;
  /** @type {readonly string[]} */
  failures = [];
  /** How long it took from each start after a kill until it answered, in milliseconds. @type {number[]} */
  starts = [];
  /** Lengths of the append-only file, the newest last. @type {{ at: number, bytes: number }[]} */
  #lengths = [];
  #looking = setInterval(() => this.#look(), LOOK_MS).unref();
  /** @type {Promise<void>} */
  #back = Promise.resolve();

  /**
   * @param {import('../../scripts/redis.mjs').RedisServer} server
   * @param {import('./proxy.mjs').TcpProxy} proxy by which the fleet reaches it
   */
  constructor(server, proxy) {
    this.server = server;
    this.proxy = proxy;
  }

  /**
   * @param {number} downMs
   * @param {number} forgetMs of its last writes
   */
  async kill(downMs, forgetMs) {
    await this.#back;
    this.kills++;
    const at = performance.now();
    await this.server.kill('SIGKILL');
    this.#forget(at - forgetMs);
    this.#back = sleep(downMs).then(async () => {
      const began = performance.now();
      await this.server.start();
      this.starts.push(performance.now() - began);
    });
  }

  /** @param {number} ms */
  async pause(ms) {
    await this.#back;
    this.server.signal('SIGSTOP');
    await sleep(ms);
    this.server.signal('SIGCONT');
  }

  async stop() {
    clearInterval(this.#looking);
    await this.#back;
    await this.server.stop();
  }

  #look() {
    const file = this.#appendOnlyFile();
    if (file !== null) this.#lengths.push({ at: performance.now(), bytes: statSync(file).size });
    if (this.#lengths.length > 100) this.#lengths.shift();
  }

  /** Cuts the append-only file to what it was at a moment. @param {number} moment */
  #forget(moment) {
    const file = this.#appendOnlyFile();
    const then = this.#lengths.findLast(({ at }) => at <= moment);
    if (file !== null && then !== undefined) truncateSync(file, Math.min(then.bytes, statSync(file).size));
    this.#lengths = [];
  }

  /** Where Redis appends now: it has a base beside it from version 7 on. */
  #appendOnlyFile() {
    const files = readdirSync(this.server.folder, { recursive: true }).map(String);
    const newest = files
      .filter((name) => /\.incr\.aof$|appendonly\.aof$/.test(name))
      .sort()
      .at(-1);
    return newest === undefined ? null : join(this.server.folder, newest);
  }
}
