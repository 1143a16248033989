import { parseRunKey } from '../names.js';
import type { RunKey } from '../records.js';

/**
 * The names of all keys. What one script touches lies in one slot of a Redis Cluster: the braces hold what is hashed.
 * A run's keys are those of its owner and digest, so that runs spread over a cluster's nodes.
 */
export interface Keys {
  /** Of the digest 32 hex digits, which are as unique as all and half as long. */
  run(key: RunKey): (key: string) => string;
  readonly catalog: (key: string) => string;
  readonly workers: (key: string) => string;
  verdict(workerId: string): string;
  manifest(digest: string): (part: string | number) => string;
  /** The name of a channel, which is no key. */
  wake(topic: string): string;
  /** Of a job queue: BullMQ's `prefix`. */
  queue(name: string): string;
}

export function keysOf(prefix: string): Keys {
  const under = (tag: string) => (key: string | number) => `{${prefix}:${tag}}:${key}`;
  const workers = under('workers');
  return {
    run(key) {
      const { owner, digest } = parseRunKey(key);
      return under(`run:${owner}.${digest.slice(0, 32)}`);
    },
    catalog: under('runs'),
    workers,
    verdict: (workerId) => workers(`verdict:${workerId}`),
    manifest: (digest) => under(`manifest:${digest}`),
    wake: (topic) => `${prefix}:wake:${topic}`,
    queue: (name) => `{${prefix}:jobs:${name}}`,
  };
}
