import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  bytesVariable,
  choiceVariable,
  configTable,
  durationVariable,
  flagVariable,
  integerVariable,
  limitsOf,
  limitVariables,
  listVariable,
  loadConfig,
  portVariable,
  secretVariable,
  textVariable,
  urlVariable,
} from './index.js';

const schema = z.object({
  PORT: portVariable().default(50_051).describe('Where trainers connect.'),
  OUTBOX: bytesVariable()
    .default(2 ** 30)
    .describe('Memory for chunks that wait to be fetched.'),
  GRACE: durationVariable().default(30_000).describe('How long a shutdown may take.'),
  LOG_LEVEL: choiceVariable(['info', 'debug']).default('info').describe('What is logged | how much.'),
  PRETTY: flagVariable().default(false).describe('Lines for people.'),
  SLOTS: integerVariable(1).optional().describe('Compute threads.'),
  REDIS_URL: urlVariable(['redis:', 'rediss:']).describe('The Redis of the fleet.'),
  TOKEN: secretVariable().optional().describe('What trainers must send.'),
});
const minimal = { REDIS_URL: 'redis://localhost:6379' };

const messageOf = (env: Record<string, string>) => {
  try {
    loadConfig(schema, { ...minimal, ...env });
  } catch (error) {
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    return (error as Error).message;
  }
  return expect.unreachable();
};

describe('limitVariables', () => {
  const limits = { maxThings: 3, holdMs: 1_500, heapBytes: 2 ** 28 };
  const table = {
    maxThings: ['MAX_THINGS', 'Things at once'],
    holdMs: ['HOLD', 'How long'],
    heapBytes: ['HEAP', 'How much'],
  } as const;
  const schema = z.object(limitVariables(limits, table));

  it('has the defaults, in the units that the names tell', () => {
    expect(limitsOf(loadConfig(schema, {}), table)).toEqual(limits);
    expect(configTable(schema)).toContain(
      '| `HOLD` | a duration, such as 500ms, 30s, 5m or 24h | 1500ms | How long |',
    );
    expect(configTable(schema)).toContain('| 256MiB | How much |');
  });

  it('sets what is given', () => {
    const env = { MAX_THINGS: '7', HOLD: '2s', HEAP: '1GiB' };
    expect(limitsOf(loadConfig(schema, env), table)).toEqual({
      maxThings: 7,
      holdMs: 2_000,
      heapBytes: 2 ** 30,
    });
    expect(() => loadConfig(schema, { MAX_THINGS: '0' })).toThrow('MAX_THINGS');
  });
});

it('a list is cut at commas and has no empty items', () => {
  const schema = z.object({ LIST: listVariable('paths') });
  expect(loadConfig(schema, { LIST: 'a.mjs, b.mjs' })).toEqual({ LIST: ['a.mjs', 'b.mjs'] });
  expect(() => loadConfig(schema, { LIST: 'a,,b' })).toThrow('paths');
});

describe('loadConfig', () => {
  it('fills defaults, and takes an empty variable for unset', () => {
    expect(loadConfig(schema, { ...minimal, PORT: '', UNRELATED: 'x' })).toEqual({
      PORT: 50_051,
      OUTBOX: 2 ** 30,
      GRACE: 30_000,
      LOG_LEVEL: 'info',
      PRETTY: false,
      REDIS_URL: 'redis://localhost:6379',
    });
  });

  it.each([
    [{ PORT: ' 0 ' }, { PORT: 0 }],
    [{ OUTBOX: '512MiB' }, { OUTBOX: 2 ** 29 }],
    [{ OUTBOX: '1.5 gb' }, { OUTBOX: 1.5e9 }],
    [{ OUTBOX: '77' }, { OUTBOX: 77 }],
    [{ GRACE: '500ms' }, { GRACE: 500 }],
    [{ GRACE: '2m' }, { GRACE: 120_000 }],
    [{ PRETTY: 'Yes' }, { PRETTY: true }],
    [{ PRETTY: '0' }, { PRETTY: false }],
    [{ SLOTS: '8' }, { SLOTS: 8 }],
  ])('reads %j', (env, expected) => {
    expect(loadConfig(schema, { ...minimal, ...env })).toMatchObject(expected);
  });

  it.each([
    [{ PORT: '70000' }, 'PORT is "70000"; expected a whole number from 0 to 65535'],
    [{ PORT: '1e3' }, 'PORT is "1e3"'],
    [{ OUTBOX: '12 parsecs' }, 'expected a number of bytes'],
    [{ GRACE: 'soon' }, 'expected a duration'],
    [{ LOG_LEVEL: 'loud' }, 'expected one of info, debug'],
    [{ LOG_LEVEL: 'loud' }, 'where it has a default: info'],
    [{ PRETTY: 'maybe' }, 'expected true or false'],
    [{ SLOTS: '0' }, 'a whole number of at least 1'],
    [{ REDIS_URL: 'http://host' }, 'redis:// or rediss://'],
    [{ REDIS_URL: '' }, 'REDIS_URL is not set'],
  ])('says of %j what is wrong and what is allowed', (env, expected) => {
    expect(messageOf(env)).toContain(expected);
  });

  it('never shows a secret', () => {
    expect(messageOf({ REDIS_URL: 'http://user:hunter2@host' })).toContain('http://user:***@host');
    const strict = z.object({
      TOKEN: secretVariable().refine((text) => text.length > 20, 'over 20 characters'),
    });
    expect(() => loadConfig(strict, { TOKEN: 'hunter2' })).toThrow('over 20 characters');
    expect(() => loadConfig(strict, { TOKEN: 'hunter2' })).not.toThrow('hunter2');
  });
});

describe('configTable', () => {
  it('has a line for every variable', () => {
    const table = configTable(schema);
    expect(table).toContain(
      '| `PORT` | a whole number from 0 to 65535 | 50051 | Where trainers connect. |\n| `OUTBOX`',
    );
    expect(table).toContain('What is logged \\| how much.');
    expect(table).toContain('| `REDIS_URL` | a URL that begins with redis:// or rediss:// | required |');
    expect(table).toContain('| `TOKEN` | a secret | none | What trainers must send. |');
    expect(configTable(z.object({ HOST: textVariable('a host') }))).toContain(
      '| `HOST` | a host | required |  |',
    );
  });
});
