import { afterAll, beforeAll } from 'vitest';
import { ask, type RedisServer, startRedisServer } from '../../../scripts/redis.mjs';
import { contracts } from '../adapters.js';

// A cluster of one node refuses what a cluster of many does: a script whose keys lie in several slots.
let server: RedisServer;

beforeAll(async () => {
  server = await startRedisServer({ args: ['--cluster-enabled', 'yes'] });
  await ask(server.url, 'CLUSTER ADDSLOTSRANGE 0 16383');
  while (!(await ask(server.url, 'CLUSTER INFO')).includes('cluster_state:ok')) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

afterAll(() => server.stop());

contracts(() => server.url);
