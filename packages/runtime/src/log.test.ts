import { failure } from '@cropstream/errors';
import { describe, expect, it } from 'vitest';
import { createLogger } from './index.js';

function logged(write: (log: ReturnType<typeof createLogger>) => void): Record<string, unknown> {
  const lines: string[] = [];
  write(createLogger({ name: 'test', stream: { write: (line) => lines.push(line) } }));
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] as string);
}

describe('createLogger', () => {
  it('writes a line of JSON with level, time and name', () => {
    const line = logged((log) => log.info({ run: 'r1' }, 'opened'));
    expect(line).toMatchObject({ level: 'info', name: 'test', run: 'r1', msg: 'opened' });
    expect(new Date(line.time as string).getTime()).not.toBeNaN();
  });

  it('leaves out what is below its level', () => {
    logged((log) => {
      log.debug('not this');
      log.warn('this');
    });
  });

  it('tells an error of the table by code and details, a defect with its stack', () => {
    const lost = failure('RUN_NOT_FOUND', { run: 'r', known: 'none' });
    const told = logged((log) => log.error({ err: lost }, 'no'));
    expect(told.err).toEqual({ code: 'RUN_NOT_FOUND', message: lost.message, details: lost.details });
    expect(logged((log) => log.error({ err: new Error('boom') }, 'no')).err).toMatchObject({
      code: 'INTERNAL',
      stack: expect.stringContaining('log.test.ts'),
    });
  });

  it('never writes secrets', () => {
    const line = logged((log) =>
      log.info(
        {
          token: 'hunter2',
          tls: { password: 'hunter2' },
          url: 'redis://me:hunter2@host/0',
          next: 'a@b',
          err: failed(),
        },
        'connected to http://me:hunter2@host',
      ),
    );
    expect(JSON.stringify(line)).not.toContain('hunter2');
    expect(line).toMatchObject({ url: 'redis://me:***@host/0', next: 'a@b' });
    function failed() {
      return failure('UNREACHABLE', { target: 'redis', reason: 'redis://me:hunter2@host refused' });
    }
  });
});
