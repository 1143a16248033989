import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as pass } from 'node:timers/promises';
import { BullmqBroker, RedisStore } from '@cropstream/broker/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, type RedisServer, startRedisCluster } from '../../../scripts/redis.mjs';
import { contracts } from '../adapters.js';

const RUN = {
  owner: 'o1',
  specJson: '{}',
  manifestDigest: 'm',
  chunkSize: 64,
  fingerprint: 'f',
  openedAt: 0,
  state: 'active' as const,
};

// A node refuses a script whose keys lie in several slots, and one whose keys lie with another node.
let nodes: readonly RedisServer[];
const seed = () => nodes[0]!.url;

beforeAll(async () => {
  nodes = await startRedisCluster(3);
});

afterAll(() => Promise.all(nodes.map((node) => node.stop())));

contracts(seed);

describe('a fleet on a cluster', () => {
  it('spreads its runs and queues over the nodes, whichever node it was told of', async () => {
    const prefix = `test-${randomUUID()}`;
    const store = await RedisStore.open({ url: seed(), prefix });
    const elsewhere = await RedisStore.open({ url: nodes[2]!.url, prefix });
    const broker = await BullmqBroker.open({ url: seed(), prefix });
    try {
      for (let i = 0; i < 24; i++) {
        const digest = createHash('sha256').update(String(i)).digest('hex');
        await store.openRun({ ...RUN, name: `run-${i}`, digest });
        expect(await elsewhere.claim(`o1.${digest}`, '0-0-64', 1)).toHaveProperty('claimed');
        expect(await broker.counts(`queue-${i}`)).toEqual({ waiting: 0, active: 0 });
      }
      for (const node of nodes) expect(await ask(node.url, 'DBSIZE')).not.toMatch(/^:[0-9]\r/);
    } finally {
      for (const each of [store, elsewhere, broker]) await each.close();
    }
  });

  it('hears wakes that were sent by way of another node', async () => {
    const prefix = `test-${randomUUID()}`;
    const [one, two] = [
      await RedisStore.open({ url: seed(), prefix }),
      await RedisStore.open({ url: nodes[1]!.url, prefix }),
    ];
    try {
      let heard = 0;
      one.onWake('topic', () => heard++);
      while (heard === 0) {
        await two.wake('topic');
        await pass(20);
      }
    } finally {
      await one.close();
      await two.close();
    }
  });
});
