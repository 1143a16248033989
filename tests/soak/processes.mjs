import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const cropstream = join(dirname(fileURLToPath(import.meta.url)), '../../packages/cli/bin/cropstream.js');

/** Children that must not outlive this process, however it ends. */
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

function start(args) {
  const child = spawn(process.execPath, ['--enable-source-maps', cropstream, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const exit = once(child, 'exit').finally(() => children.delete(child));
  let said = '';
  child.stderr.on('data', (text) => {
    said = (said + text).slice(-20_000);
  });
  return { child, exit, said: () => said };
}

/** `cropstream serve` of a spec, ready for trainers. */
export async function serve(spec, flags = []) {
  const { child, exit, said } = start([
    'serve',
    ...['--spec', spec, '--threads', '2', '--cells', '1'],
    ...['--port', '0', '--http-port', '0', '--log-level', 'warn', '--json'],
    ...flags,
  ]);
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    exit.then(([code]) => {
      throw new Error(`cropstream serve ended with ${code}: ${said()}`);
    }),
  ]);
  const { target, http } = JSON.parse(line);
  return {
    pid: child.pid,
    target,
    /** The service's metrics: one without labels by its name, of the others the sum. */
    async metrics() {
      const text = await (await fetch(`${http}/metrics`)).text();
      const values = new Map();
      for (const [, name, value] of text.matchAll(/^(\w+)(?:\{.*\})? (\S+)/gm)) {
        values.set(name, (values.get(name) ?? 0) + Number(value));
      }
      return (name) => values.get(`cropstream_${name}`) ?? 0;
    },
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exit;
      if (code !== 0) throw new Error(`cropstream serve ended with ${code} on SIGTERM: ${said()}`);
    },
  };
}

/** `cropstream pull` as a trainer: `digests` is the file it writes a line a batch to. */
export function pull({ target }, digests, flags) {
  const { child, exit, said } = start(['pull', '--target', target, '--digests', digests, '--json', ...flags]);
  child.stdout.resume();
  const lines = new LineReader(digests);
  return {
    pid: child.pid,
    /** Digests of the batches yielded so far, in order: `<step> <digest>`. */
    yielded: () => lines.read(),
    signal: (name) => child.kill(name),
    /** Resolves when it is gone: its code or the signal that ended it. */
    gone: exit.then(([code, signal]) => signal ?? code),
    /** Resolves when it ended by itself. @throws what it said, where it failed */
    done: exit.then(([code, signal]) => {
      if (code !== 0 && signal !== 'SIGKILL')
        throw new Error(`cropstream pull ended with ${code}: ${said()}`);
    }),
  };
}

/** Whole lines of a file that grows. */
class LineReader {
  #lines = [];
  #rest = '';
  #offset = 0;
  #buffer = Buffer.alloc(1 << 16);

  constructor(path) {
    this.path = path;
  }

  read() {
    let file;
    try {
      file = openSync(this.path, 'r');
    } catch (error) {
      if (error.code === 'ENOENT') return this.#lines;
      throw error;
    }
    try {
      for (;;) {
        const length = readSync(file, this.#buffer, 0, this.#buffer.length, this.#offset);
        if (length === 0) return this.#lines;
        this.#offset += length;
        const parts = (this.#rest + this.#buffer.toString('latin1', 0, length)).split('\n');
        this.#rest = parts.pop();
        this.#lines.push(...parts);
      }
    } finally {
      closeSync(file);
    }
  }
}
