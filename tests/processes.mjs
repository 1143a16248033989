// @ts-check
// The real services and commands as processes: started, heard, ended. What they are tested for lies elsewhere.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
export const cropstream = join(root, 'packages/cli/bin/cropstream.js');

/** What is kept of a process' log: a service that is told to run for hours may say much. */
const LOG_CHARACTERS = 1 << 20;

/**
 * Children that must not outlive this process, however it ends.
 * @type {Set<import('node:child_process').ChildProcess>}
 */
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Ends this process, and its children with it, on a signal: by itself a signal passes 'exit' by. */
export function endOnSignals() {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
}

/**
 * @typedef {object} Launched a process of Node
 * @property {import('node:child_process').ChildProcess} process
 * @property {() => string} log what it has logged so far, the newest megabyte of it
 * @property {(signal: NodeJS.Signals) => boolean} kill
 * @property {Promise<number | null>} ended its exit code, or null where a signal ended it
 */

/**
 * Starts a program of Node.
 *
 * @param {readonly string[]} args the program and its arguments
 * @param {NodeJS.ProcessEnv} [env] besides this process' own
 * @param {'ignore' | 'ipc'} [channel] `ipc`: messages can be sent to it
 * @returns {Launched}
 */
export function launch(args, env = {}, channel = 'ignore') {
  const child = spawn(process.execPath, [...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', channel],
  });
  children.add(child);
  let log = '';
  child.stderr?.on('data', (text) => {
    log = (log + text).slice(-LOG_CHARACTERS);
  });
  const ended = once(child, 'exit').then(([code]) => {
    children.delete(child);
    return /** @type {number | null} */ (code);
  });
  return { process: child, log: () => log, kill: (signal) => child.kill(signal), ended };
}

/**
 * @template Ready
 * @typedef {Launched & { readonly ready: Ready }} Service a process of `cropstream` that said where it listens
 */

/**
 * What a service says once it listens.
 *
 * @template Ready
 * @param {Launched} launched
 * @param {string} what
 * @returns {Promise<Service<Ready>>}
 */
export async function listening(launched, what) {
  const stdout = /** @type {import('node:stream').Readable} */ (launched.process.stdout);
  const line = await Promise.race([
    once(createInterface({ input: stdout }), 'line').then(([text]) => /** @type {string} */ (text)),
    launched.ended.then((code) => {
      throw new Error(`${what} ended with ${code}: ${launched.log()}`);
    }),
  ]);
  return { ...launched, ready: JSON.parse(line) };
}

/**
 * @template Ready
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Service<Ready>>}
 */
export const start = (args, env) =>
  listening(launch([cropstream, ...args, '--json'], env), `cropstream ${args.join(' ')}`);

/** @typedef {{ readonly target: string, readonly http: string, readonly run?: string, readonly digest?: string }} CoordinatorReady */
/** @typedef {{ readonly workers: readonly string[], readonly http: string }} WorkerReady */

const ports = { CROPSTREAM_HOST: '127.0.0.1', CROPSTREAM_PORT: '0', CROPSTREAM_HTTP_PORT: '0' };

/**
 * @param {string} url
 * @param {readonly string[]} [args]
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Service<CoordinatorReady>>}
 */
export const startCoordinator = (url, args = [], env = {}) =>
  start(['coordinator', ...args], { ...ports, REDIS_URL: url, ...env });

/**
 * @param {string} url
 * @param {string} cache
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Service<WorkerReady>>}
 */
export const startWorker = (url, cache, env = {}) =>
  start(['worker'], {
    ...ports,
    REDIS_URL: url,
    CROPSTREAM_CACHE: cache,
    CROPSTREAM_THREADS: '1',
    ...env,
  });

/**
 * Asks again until it is so, `limitMs` at most.
 *
 * @param {() => Promise<boolean> | boolean} isSo
 * @param {number} limitMs
 * @returns {Promise<boolean>} whether it came true
 */
export async function comesTrue(isSo, limitMs) {
  const end = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > end) return false;
    await pass(20);
  }
  return true;
}

/**
 * Waits for what has to come.
 *
 * @param {string} what
 * @param {() => Promise<boolean> | boolean} isSo
 * @param {number} [limitMs]
 * @returns {Promise<number>} the milliseconds that it took
 */
export async function until(what, isSo, limitMs = 30_000) {
  const began = performance.now();
  if (!(await comesTrue(isSo, limitMs))) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
  return performance.now() - began;
}

/** @param {string} http */
export const isReady = async (http) => (await fetch(`${http}/readyz`)).status === 200;

/**
 * All metrics of a service by name, each summed over its labels; 0 for one that has no value yet. Throws for a name that
 * the service does not have.
 *
 * @param {string} http
 * @returns {Promise<(name: string) => number>}
 */
export async function metrics(http) {
  const text = await (await fetch(`${http}/metrics`)).text();
  const values = new Map();
  const known = new Set(Array.from(text.matchAll(/^# HELP (\w+) /gm), ([, name]) => name));
  for (const [, name, labels = '', value] of text.matchAll(/^(\w+)(\{.*\})? (\S+)$/gm)) {
    values.set(name, (values.get(name) ?? 0) + Number(value));
    if (labels) values.set(`${name}${labels}`, Number(value));
  }
  return (name) => {
    const [family = ''] = name.split('{');
    const base = family.replace(/_(bucket|count|sum)$/, '');
    if (!known.has(family) && !known.has(base)) throw new Error(`${http} has no metric ${family}`);
    return values.get(name) ?? 0;
  };
}

/**
 * One metric of a service, summed over its labels.
 *
 * @param {string} http
 * @param {string} name
 */
export const metric = async (http, name) => (await metrics(http))(name);
