import { CropstreamError, ERROR_TABLE, type ErrorCode, failure } from '@cropstream/errors';
import { Metadata, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_METADATA_KEY, fromStatus, toStatus } from './index.js';

const target = '127.0.0.1:50051';

/** Header bytes that a status takes in the trailers. */
function trailerBytes(sent: ReturnType<typeof toStatus>): number {
  const [carried] = sent.metadata.get(ERROR_METADATA_KEY);
  return encodeURI(sent.details).length + (carried as Buffer).toString('base64').length;
}

describe('an error of the table as a gRPC status', () => {
  it('comes back whole, whichever it is', () => {
    for (const code of Object.keys(ERROR_TABLE) as ErrorCode[]) {
      const error = new CropstreamError(code, 'what was wrong', 'what to do', {
        rank: 3,
        path: 'ä/b.jpg',
        ok: true,
      });
      const back = fromStatus(toStatus(error), target);
      expect(back.toWire()).toEqual(error.toWire());
      expect(toStatus(error).code).toBe(error.grpcStatus);
    }
  });

  it('stays under eight kilobytes however long its strings are, and keeps its code', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 500, maxLength: 3_000 }),
        fc.constantFrom('a', '"', '\u0000', '漢', '👍'),
        fc.integer({ min: 1, max: 20_000 }),
        (head, filler, length) => {
          const long = head + filler.repeat(length);
          const sent = toStatus(failure('DATASET_MALFORMED', { path: long, reason: long }));
          expect(trailerBytes(sent)).toBeLessThanOrEqual(8_000);
          // Cut between characters.
          expect(Buffer.from(sent.details).toString()).toBe(sent.details);
          expect(fromStatus(sent, target).code).toBe('DATASET_MALFORMED');
        },
      ),
      { numRuns: 50 },
    );
  });

  it('takes thrown values of any kind for a defect', () => {
    expect(fromStatus(toStatus(new Error('boom')), target)).toMatchObject({
      code: 'INTERNAL',
      details: { reason: 'boom' },
    });
  });

  it.each([
    [status.UNAVAILABLE, 'Connection dropped', 'UNREACHABLE'],
    [status.DEADLINE_EXCEEDED, 'Deadline exceeded', 'UNREACHABLE'],
    [status.CANCELLED, 'Cancelled on client', 'CANCELLED'],
    [status.UNIMPLEMENTED, 'unknown method', 'PROTOCOL_MISMATCH'],
    [status.INTERNAL, 'Received RST_STREAM with code 2', 'UNREACHABLE'],
    [status.INTERNAL, 'something', 'INTERNAL'],
    [status.PERMISSION_DENIED, '', 'INTERNAL'],
  ])('reads status %i "%s" without metadata as %s', (code, details, expected) => {
    const error = fromStatus({ code, details, metadata: new Metadata() }, target);
    expect(error.code).toBe(expected);
    expect(error.message).toContain(target);
  });

  it.each(['', 'not json', '{}', '{"code":1}', 'null'])('is not misled by damaged metadata: %s', (json) => {
    const metadata = new Metadata();
    metadata.set(ERROR_METADATA_KEY, Buffer.from(json));
    expect(fromStatus({ code: status.UNAVAILABLE, details: 'gone', metadata }, target).code).toBe(
      'UNREACHABLE',
    );
  });

  it('keeps the text of a code that this version does not know', () => {
    const metadata = new Metadata();
    const wire = { code: 'FROM_THE_FUTURE', problem: 'p', help: 'h', details: {} };
    metadata.set(ERROR_METADATA_KEY, Buffer.from(JSON.stringify(wire)));
    const error = fromStatus({ code: status.ABORTED, details: 'p', metadata }, target);
    expect(error).toMatchObject({ code: 'INTERNAL', problem: 'p', help: 'h' });
  });
});
