import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MultiCropLoader, StreamDigest } from '@cropstream/client';
import sharp from 'sharp';

const cropstream = join(dirname(fileURLToPath(import.meta.url)), '../../packages/cli/bin/cropstream.js');

/** A folder that is removed with its content at the end of the test file. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'cropstream-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Class folders of small JPEGs, no two alike, with structure at every scale. The same arguments give the same files. */
export async function makeImages(folder: string, count: number, classes = 3): Promise<void> {
  for (let i = 0; i < count; i++) {
    const width = 60 + ((i * 37) % 90);
    const height = 50 + ((i * 53) % 80);
    const pixels = Buffer.alloc(width * height * 3);
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        pixels[at++] = (x * 3 + i * 17) & 255;
        pixels[at++] = (y * 2 + ((x >> 3) ^ (y >> 3)) * 20) & 255;
        pixels[at++] = 128 + 100 * Math.sin((x * (i + 1) + y * 3) / 40);
      }
    }
    const target = join(folder, `class-${i % classes}`);
    mkdirSync(target, { recursive: true });
    await sharp(pixels, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 85, chromaSubsampling: i % 2 ? '4:2:0' : '4:4:4' })
      .toFile(join(target, `${i}.jpg`));
  }
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end. */
export function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  return outputOf(process.execPath, [cropstream, ...args], env);
}

/** Runs any command to its end. */
export async function outputOf(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<CommandResult> {
  const child = spawn(command, args, { env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

/** The digest of all that a trainer with these options draws. */
export async function digestOf(options: Parameters<typeof MultiCropLoader.open>[0]): Promise<string> {
  const loader = await MultiCropLoader.open(options);
  try {
    const digest = new StreamDigest();
    for await (const batch of loader) digest.update(batch);
    return digest.hex();
  } finally {
    await loader.close();
  }
}

/** Runs a command with --json and gives its object; throws what it said where it failed. */
export async function runJson<T>(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<T> {
  const { code, stdout, stderr } = await run([...args, '--json'], env);
  if (code !== 0) throw new Error(`cropstream ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

export interface Served {
  readonly target: string;
  readonly http: string;
  readonly run: string;
  /** All that it said when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  readonly process: ChildProcess;
  /** What the service has logged so far. */
  log(): string;
  /** SIGTERM, then its exit code. */
  stop(): Promise<number | null>;
}

/** `cropstream serve` on free ports unless one is given, once it is ready. */
export async function serve(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  port = '0',
): Promise<Served> {
  const child = spawn(
    process.execPath,
    [cropstream, 'serve', ...args, '--port', port, '--http-port', '0', '--json'],
    { env: { ...process.env, ...env } },
  );
  let log = '';
  child.stderr.on('data', (text) => {
    log += text;
  });
  const exit = once(child, 'exit');
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => text as string),
    exit.then(([code]) => {
      throw new Error(`cropstream serve ended with ${code}: ${log}`);
    }),
  ]);
  const ready = JSON.parse(line) as { target: string; http: string; run: string };
  return {
    ...ready,
    ready,
    process: child,
    log: () => log,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exit;
      return code;
    },
  };
}
