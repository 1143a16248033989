import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const cropstream = join(root, 'packages/cli/bin/cropstream.js');

/** Children that must not outlive the tests, however these end. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** A process of `cropstream` that said where it listens. */
export interface Service<Ready> {
  readonly ready: Ready;
  readonly process: ChildProcess;
  /** What it has logged so far. */
  log(): string;
  kill(signal: NodeJS.Signals): void;
  /** Its exit code, or null where a signal ended it. */
  readonly ended: Promise<number | null>;
}

export async function start<Ready>(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Service<Ready>> {
  const child = spawn(process.execPath, [cropstream, ...args, '--json'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let log = '';
  child.stderr.on('data', (text) => {
    log += text;
  });
  const ended = once(child, 'exit').then(([code]) => {
    children.delete(child);
    return code as number | null;
  });
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => text as string),
    ended.then((code) => {
      throw new Error(`cropstream ${args.join(' ')} ended with ${code}: ${log}`);
    }),
  ]);
  return {
    ready: JSON.parse(line) as Ready,
    process: child,
    log: () => log,
    kill: (signal) => void child.kill(signal),
    ended,
  };
}

export interface CoordinatorReady {
  readonly target: string;
  readonly http: string;
  readonly run?: string;
  readonly digest?: string;
}

export interface WorkerReady {
  readonly workers: readonly string[];
  readonly http: string;
}

const ports = { CROPSTREAM_HOST: '127.0.0.1', CROPSTREAM_PORT: '0', CROPSTREAM_HTTP_PORT: '0' };

export const startCoordinator = (url: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) =>
  start<CoordinatorReady>(['coordinator', ...args], { ...ports, REDIS_URL: url, ...env });

export const startWorker = (url: string, cache: string, env: NodeJS.ProcessEnv = {}) =>
  start<WorkerReady>(['worker'], {
    ...ports,
    REDIS_URL: url,
    CROPSTREAM_CACHE: cache,
    CROPSTREAM_THREADS: '1',
    ...env,
  });

/** Asks again until it is so; fails with what was last seen. */
export async function until(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  limitMs = 30_000,
): Promise<number> {
  const began = performance.now();
  while (!(await isSo())) {
    if (performance.now() - began > limitMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return performance.now() - began;
}

export const isReady = async (http: string) => (await fetch(`${http}/readyz`)).status === 200;

/** One metric of a service, summed over its labels. */
export async function metric(http: string, name: string): Promise<number> {
  const text = await (await fetch(`${http}/metrics`)).text();
  return [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );
}
