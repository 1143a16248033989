import { failure } from '@cropstream/errors';
import type { Keys } from './keys.js';
import { type RedisLink, script } from './link.js';

/** One value of Redis: large enough that few are needed, small enough that none holds up other commands for long. */
const PART_BYTES = 4 * 1024 * 1024;
/** About 30 million samples; Redis holds each manifest in memory. */
const MAX_BYTES = 1024 * 1024 * 1024;

/** ARGV: how long it is kept. Each part's key is the head's and a number. Returns its bytes, as many as the head says. */
const TOUCH_MANIFEST = script(
  ['head'],
  `
local bytes = redis.call('GET', head)
if not bytes then return false end
redis.call('PEXPIRE', head, ARGV[1])
local prefix = string.sub(head, 1, #head - #'head')
for part = 0, math.ceil(bytes / ${PART_BYTES}) - 1 do
  redis.call('PEXPIRE', prefix .. part, ARGV[1])
end
return bytes
`,
);

/** Manifests, immutable and known by their digest: binary values of 4 MiB, and a head that is written last. */
export class RedisManifests {
  constructor(
    private readonly link: RedisLink,
    private readonly keys: Keys,
  ) {}

  /** @throws LIMIT_EXCEEDED */
  async put(digest: string, bytes: Uint8Array, keepMs: number): Promise<void> {
    if (bytes.length > MAX_BYTES) {
      throw failure('LIMIT_EXCEEDED', { field: 'manifest bytes', value: bytes.length, limit: MAX_BYTES });
    }
    if ((await this.touch(digest, keepMs)) !== null) return;
    const key = this.keys.manifest(digest);
    for (let part = 0; part * PART_BYTES < bytes.length; part++) {
      const { buffer, byteOffset } = bytes.subarray(part * PART_BYTES);
      const length = Math.min(PART_BYTES, bytes.length - part * PART_BYTES);
      const value = Buffer.from(buffer, byteOffset, length);
      await this.link.call((client) => client.set(key(part), value, 'PX', keepMs));
    }
    await this.link.call((client) => client.set(key('head'), bytes.length, 'PX', keepMs));
  }

  async get(digest: string, keepMs: number, most = Number.POSITIVE_INFINITY): Promise<Uint8Array | null> {
    const key = this.keys.manifest(digest);
    const length = await this.touch(digest, keepMs);
    if (length === null) return null;
    const bytes = new Uint8Array(new SharedArrayBuffer(Math.min(length, wholeParts(most))));
    for (let part = 0; part * PART_BYTES < bytes.length; part++) {
      const value = await this.link.call((client) => client.getBuffer(key(part)));
      if (value === null) return null;
      bytes.set(value, part * PART_BYTES);
    }
    return bytes;
  }

  /** Keeps it longer; gives how many bytes it has, null where it is unknown. */
  async touch(digest: string, keepMs: number): Promise<number | null> {
    const bytes = await this.link.run(TOUCH_MANIFEST, this.keys.manifest(digest), [keepMs]);
    return bytes === null ? null : Number(bytes);
  }
}

function wholeParts(bytes: number): number {
  return Math.ceil(bytes / PART_BYTES) * PART_BYTES;
}
