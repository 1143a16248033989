import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { clientConfig, type S3Server } from './s3-servers.mjs';

/** Puts objects into a bucket, which is made where it is not there. */
export async function put(
  server: S3Server,
  bucket: string,
  objects: Readonly<Record<string, string | Uint8Array>>,
) {
  const client = new S3Client(clientConfig(server.endpoint));
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket })).catch(() => {});
    const left = Object.entries(objects);
    const putNext = async () => {
      for (let next = left.pop(); next; next = left.pop()) {
        const [Key, Body] = next;
        await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Buffer.from(Body) }));
      }
    };
    await Promise.all(Array.from({ length: 8 }, putNext));
  } finally {
    client.destroy();
  }
}

export async function remove(server: S3Server, bucket: string, Key: string) {
  const client = new S3Client(clientConfig(server.endpoint));
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
  client.destroy();
}

/** The files under a folder by their paths, a prefix before them. */
export function filesOf(root: string, prefix = ''): Record<string, Buffer> {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.map((path) => [prefix + path.slice(root.length + 1), readFileSync(path)]));
}
