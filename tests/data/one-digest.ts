import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { runJson } from '../integration/harness.js';
import { clientConfig, type S3Server } from '../s3-servers.mjs';

const writer = fileURLToPath(new URL('write_datasets.py', import.meta.url));
const reader = fileURLToPath(new URL('read_datasets.py', import.meta.url));

/** Has a real library write a folder of images as its own data set. */
export async function writeByLibrary(python: string, kind: string, images: string, out: string) {
  await promisify(execFile)(python, [writer, kind, images, out], { timeout: 240_000 });
}

/** What a real library reads of a folder, a row a sample: SHA-256 of the image's bytes, label, path. */
export async function readByLibrary(python: string, kind: string, folder: string): Promise<Row[]> {
  const { stdout } = await promisify(execFile)(python, [reader, kind, folder], { timeout: 240_000 });
  return JSON.parse(stdout.slice(stdout.lastIndexOf('[['))) as Row[];
}

type Row = readonly [sha256: string, label: number, path: string];

/** The rows of a folder of class folders. */
export function rowsOf(images: string): Row[] {
  return readdirSync(images)
    .toSorted()
    .flatMap((name, label) =>
      readdirSync(join(images, name))
        .toSorted()
        .map((file): Row => {
          const bytes = readFileSync(join(images, name, file));
          return [createHash('sha256').update(bytes).digest('hex'), label, `${name}/${file}`];
        }),
    );
}

/** Digest of two epochs of a run over a dataset: crops, numbers, labels and paths. */
export async function streamOf(
  source: string,
  data: string,
  { subset, env }: { readonly subset?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const run = ['--recipe', 'dino', '--seed', '7', '--global-batch-size', '10', '--no-drop-last'];
  const flags = ['replay', '--source', source, '--data', data, ...run, '--steps', '6', '--threads', '1'];
  if (subset !== undefined) flags.push('--subset', subset);
  return (await runJson<{ digest: string }>(flags, env)).digest;
}

/** Puts a folder's files into a new bucket. */
export async function upload(server: S3Server, folder: string, bucket: string): Promise<void> {
  const client = new S3Client(clientConfig(server.endpoint));
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    for (const entry of entries.filter((each) => each.isFile())) {
      const path = join(entry.parentPath, entry.name);
      const Key = path.slice(folder.length + 1);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: readFileSync(path) }));
    }
  } finally {
    client.destroy();
  }
}
