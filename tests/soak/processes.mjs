import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import { cropstream, launch, listening, metrics } from '../processes.mjs';

const start = (args) => launch(['--enable-source-maps', cropstream, ...args]);

/** `cropstream serve` of a spec, ready for trainers. */
export async function serve(spec, flags = []) {
  const { process, ready, kill, ended, log } = await listening(
    start([
      'serve',
      ...['--spec', spec, '--threads', '2', '--cells', '1'],
      ...['--port', '0', '--http-port', '0', '--log-level', 'warn', '--json'],
      ...flags,
    ]),
    'cropstream serve',
  );
  const { target, http } = ready;
  return {
    pid: process.pid,
    target,
    /** The service's metrics by their names without `cropstream_`, each summed over its labels. */
    async metrics() {
      const named = await metrics(http);
      return (name) => named(`cropstream_${name}`);
    },
    async stop() {
      kill('SIGTERM');
      const code = await ended;
      if (code !== 0) throw new Error(`cropstream serve ended with ${code} on SIGTERM: ${log()}`);
    },
  };
}

/** `cropstream pull` as a trainer: `digests` is the file it writes a line a batch to. */
export function pull({ target }, digests, flags) {
  // Lines of another trainer are not to be taken for its own, until it has opened the file.
  rmSync(digests, { force: true });
  const { process, kill, ended, log } = start([
    ...['pull', '--target', target, '--digests', digests, '--json'],
    ...flags,
  ]);
  process.stdout.resume();
  const lines = new LineReader(digests);
  return {
    pid: process.pid,
    /** Digests of the batches yielded so far, in order: `<step> <digest>`. */
    yielded: () => lines.read(),
    signal: kill,
    /** Resolves when it is gone. */
    gone: ended,
    /** Resolves when it ended by itself or was killed. @throws what it said, where it failed */
    done: ended.then((code) => {
      if (code !== 0 && code !== null) throw new Error(`cropstream pull ended with ${code}: ${log()}`);
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
