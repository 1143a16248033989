import { expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from './config.js';
import { redisAccess, redisAddress, redisVariables } from './redis-access.js';

const access = (env: Record<string, string>) => redisAccess(loadConfig(z.object(redisVariables), env));

it('is one address, or the name of a master and where its Sentinels are', () => {
  expect(access({ REDIS_URL: 'redis://[::1]:7' })).toEqual({ url: 'redis://[::1]:7' });
  const watched = access({
    REDIS_URL: 'redis://main/2',
    REDIS_PASSWORD: 'a',
    REDIS_SENTINELS: 'one, two:7,[::1]:8',
    REDIS_SENTINEL_PASSWORD: 'b',
  });
  expect(watched).toMatchObject({
    password: 'a',
    sentinelPassword: 'b',
    sentinels: [
      { host: 'one', port: 26_379 },
      { host: 'two', port: 7 },
      { host: '::1', port: 8 },
    ],
  });
});

it('tells what is connected to first', () => {
  expect(redisAddress({ url: 'redis://[::1]' })).toEqual({ host: '::1', port: 6379 });
  expect(redisAddress({ url: 'redis://main', sentinels: [{ host: 'one', port: 7 }] })).toEqual({
    host: 'one',
    port: 7,
  });
});

it.each([
  [{ REDIS_SENTINELS: 'one:two' }, /REDIS_SENTINELS is "one:two"; expected HOST or HOST:PORT/],
  [{ REDIS_SENTINELS: 'one,,two' }, /REDIS_SENTINELS/],
  [{ REDIS_SENTINELS: 'one:70000' }, /REDIS_SENTINELS/],
  [{ REDIS_TLS_CA: '/nowhere' }, /beside REDIS_TLS_CA/],
  [{ REDIS_URL: 'rediss://host', REDIS_TLS_CA: '/nowhere' }, /REDIS_TLS_CA is "\/nowhere"/],
])('says of %j what is wrong', (env, expected) => {
  expect(() => access({ REDIS_URL: 'redis://host', ...env })).toThrow(expected);
});
