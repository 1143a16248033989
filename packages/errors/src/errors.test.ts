import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CropstreamError, ERROR_TABLE, failure, toFailure } from './index.js';

describe('the table of errors', () => {
  it.each(Object.entries(ERROR_TABLE))('%s reads as a sentence and says what to do', (code, row) => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(row.when).toMatch(/\.$/);
    expect(row.message).not.toMatch(/\.$/);
    expect(row.help).toMatch(/[.}]$/);
    expect(row.http).toBeGreaterThanOrEqual(400);
  });

  it('is what docs/errors.md shows', () => {
    const script = fileURLToPath(new URL('../../../scripts/docs-errors.mjs', import.meta.url));
    const checked = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
    expect(checked.stderr).toBe('');
    expect(checked.status).toBe(0);
  });
});

describe('failure', () => {
  it('fills message and help with the details', () => {
    const error = failure('PORT_IN_USE', { port: 8080, free: 8081n, flag: '--port' });
    expect(error.message).toBe('port 8080 is in use. Port 8081 is free: set --port 8081.');
    expect(error).toMatchObject({ code: 'PORT_IN_USE', problem: 'port 8080 is in use', retryable: false });
    expect(error.details).toEqual({ port: 8080, free: '8081', flag: '--port' });
  });

  it('leaves braces in a detail alone', () => {
    const error = failure('SAMPLE_IO', { path: '{reason}', reason: '$& gone' });
    expect(error.problem).toBe('reading {reason} failed: $& gone');
  });
});

describe('an error on its way', () => {
  it('is the same after the wire', () => {
    const error = failure('RUN_NOT_FOUND', { run: 'r', known: 'a, b' });
    const back = CropstreamError.fromWire(JSON.parse(JSON.stringify(error.toWire())));
    expect(back).toEqual(error);
    expect([back.grpcStatus, back.httpStatus]).toEqual([5, 404]);
  });

  it('becomes INTERNAL where its code is not known, its text kept', () => {
    const wire = { code: 'constructor', problem: 'p', help: 'h', details: {} };
    expect(CropstreamError.fromWire(wire)).toMatchObject({ code: 'INTERNAL', message: 'p. h' });
  });

  it('takes any thrown value', () => {
    const error = failure('SHUTTING_DOWN', {});
    expect(toFailure(error)).toBe(error);
    expect(toFailure('boom')).toMatchObject({ code: 'INTERNAL', details: { reason: 'boom' } });
    const cause = new TypeError('x is not a function');
    expect(toFailure(cause).cause).toBe(cause);
  });
});
