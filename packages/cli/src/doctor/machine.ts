import { statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { pixelFingerprint, TurboJpegDecoder } from '@cropstream/augment';
import { backends } from '@cropstream/kernels';
import { defaultThreads, freePort, readResources } from '@cropstream/runtime';
import { formatBytes, plural } from '../output.js';
import { type Check, fail, ok, warn } from './check.js';

const MIB = 1024 * 1024;

/** A worker's outbox, buffers and a few decoded photographs, with room to breathe. */
const LEAST_MEMORY = 1024 * MIB;

const LEAST_TEMPORARY = 256 * MIB;

export function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const enough = major > 20 || (major === 20 && minor >= 19);
  const found = `Node ${process.versions.node} on ${process.platform} ${process.arch}`;
  return enough ? ok('node', found) : fail('node', found, 'Install Node 20.19 or newer.');
}

export function checkThreads(): Check {
  const resources = readResources();
  const threads = defaultThreads(resources);
  const host = availableParallelism();
  const found = `${plural(threads, 'compute thread')}; the cgroup allows ${resources.cpus} of ${plural(host, 'core')}`;
  if (threads >= 2) return ok('threads', found);
  return warn(
    'threads',
    found,
    'Give the container more CPU: one core makes some 150 images of DINO a second.',
  );
}

export function checkMemory(): Check {
  const { memoryBytes } = readResources();
  const limited = memoryBytes < totalmem() ? ', limited by the cgroup' : '';
  const found = `${formatBytes(memoryBytes)}${limited}`;
  if (memoryBytes >= LEAST_MEMORY) return ok('memory', found);
  const fix = `Raise the limit to ${formatBytes(LEAST_MEMORY)}, or lower --threads, chunk_size and global_batch_size.`;
  return warn('memory', found, fix);
}

export async function checkTemporarySpace(): Promise<Check> {
  const folder = tmpdir();
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const found = `${formatBytes(free)} free in ${folder}`;
  if (free >= LEAST_TEMPORARY) return ok('temporary space', found);
  return warn('temporary space', found, 'Free some, or point TMPDIR elsewhere.');
}

export function checkKernels(): Check {
  const [fastest] = backends();
  if (fastest !== 'wasm') return ok('kernels', `native, for ${fastest}`);
  if (process.platform !== 'linux' || process.arch !== 'x64') return ok('kernels', 'WebAssembly');
  return warn(
    'kernels',
    'WebAssembly: native ones were not built, or this processor lacks AVX2',
    'The pixels are the same, resizing and colour take some 2.5 times as long. Build where there is a C compiler (Debian: gcc, libc6-dev).',
  );
}

export async function checkDecoder(): Promise<Check[]> {
  const library = TurboJpegDecoder.load()?.library;
  const decoder =
    library === undefined
      ? warn(
          'decoder',
          'JPEG by sharp: no libturbojpeg 3 could be loaded',
          'The pixels are the same, decoding is some 5 times slower. Install libjpeg-turbo 3.0 or newer (Debian 13: libturbojpeg0), or let npm install @julusian/jpeg-turbo for this platform.',
        )
      : ok('decoder', `JPEG by TurboJPEG (${library})`);
  try {
    const began = performance.now();
    const fingerprint = await pixelFingerprint();
    const took = Math.round(performance.now() - began);
    return [decoder, ok('pixels', `fingerprint ${fingerprint.slice(0, 16)}, self-test in ${took} ms`)];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [
      decoder,
      fail(
        'pixels',
        `the self-test failed: ${reason}`,
        'Install again with npm ci; report it if that does not help.',
      ),
    ];
  }
}

export async function checkPort(name: string, flag: string, port: number): Promise<Check> {
  const host = '127.0.0.1';
  const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
  if (error === null) return ok(name, `${host}:${port} is free`);
  if (error.code !== 'EADDRINUSE')
    return fail(
      name,
      `${host}:${port}: ${error.message}`,
      `Choose another: ${flag} ${await freePort(host)}.`,
    );
  return warn(
    name,
    `${host}:${port} is in use`,
    `If that is not a service of yours: ${flag} ${await freePort(host)}.`,
  );
}
