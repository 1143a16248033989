import { CropstreamError, failure, toFailure, type WireError } from '@cropstream/errors';
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { z } from 'zod';
import { connectionFailure } from './connection.js';
import { PROTOCOL_VERSION } from './version.js';

/** Trailing metadata that carries an error of the table whole: UTF-8 JSON of `CropstreamError.toWire()`. */
export const ERROR_METADATA_KEY = 'cropstream-error-bin';

/**
 * Room for an error in the trailers. Peers refuse more than 8 KiB of metadata (gRPC's own recommendation); base64 adds
 * a third, and percent-encoding triples what is not ASCII in the message beside it.
 */
const WIRE_BYTES = 3_072;
const MESSAGE_BYTES = 1_024;

const wireErrorSchema = z.object({
  code: z.string(),
  problem: z.string(),
  help: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
}) satisfies z.ZodType<WireError>;

/** Any thrown value as the status that ends a call: `callback(toStatus(error))`, `call.emit('error', toStatus(error))`. */
export function toStatus(error: unknown): StatusObject {
  const failed = toFailure(error);
  const metadata = new Metadata();
  metadata.set(ERROR_METADATA_KEY, Buffer.from(wireJson(failed)));
  return { code: failed.grpcStatus, details: clip(failed.message, MESSAGE_BYTES), metadata };
}

/**
 * What ended a call as an error of the table. `target` is the peer's address, for messages. A peer that sent no error
 * of the table (a proxy, a dead connection, another program) is described by its gRPC status.
 */
export function fromStatus(error: unknown, target: string): CropstreamError {
  if (!isStatus(error)) return toFailure(error);
  const wire = wireOf(error);
  if (wire !== null) return CropstreamError.fromWire(wire);
  const cause = { cause: error };
  const reason = error.details || `gRPC status ${status[error.code]}`;
  switch (error.code) {
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
      return connectionFailure(reason, target, cause);
    case status.CANCELLED:
      return failure('CANCELLED', { what: `the call to ${target}` }, cause);
    case status.UNIMPLEMENTED:
      return failure(
        'PROTOCOL_MISMATCH',
        { given: `of ${target} (${reason})`, supported: PROTOCOL_VERSION },
        cause,
      );
    default:
      // grpc-js says INTERNAL for a stream that the peer's HTTP/2 layer or a proxy reset.
      if (reason.startsWith('Received RST_STREAM')) return connectionFailure(reason, target, cause);
      return failure('INTERNAL', { reason: `${target} answered ${status[error.code]}: ${reason}` }, cause);
  }
}

function isStatus(error: unknown): error is { code: status; details: string; metadata?: Metadata } {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('details' in error))
    return false;
  return typeof error.code === 'number' && error.code in status && typeof error.details === 'string';
}

function wireOf(error: { metadata?: Metadata }): WireError | null {
  const carried = error.metadata?.get(ERROR_METADATA_KEY)[0];
  if (!Buffer.isBuffer(carried)) return null;
  try {
    return wireErrorSchema.parse(JSON.parse(carried.toString('utf8')));
  } catch {
    return null;
  }
}

/** The error's JSON, its strings shortened until it fits: a long path or a list of names must not lose the code. */
function wireJson(error: CropstreamError): string {
  const whole = error.toWire();
  for (let limit = WIRE_BYTES; ; limit >>= 1) {
    const details = Object.entries(whole.details)
      .slice(0, limit)
      .map(([name, value]) => [name, typeof value === 'string' ? clip(value, limit) : value] as const);
    const json = JSON.stringify({
      code: whole.code,
      problem: clip(whole.problem, limit),
      help: clip(whole.help, limit),
      details: Object.fromEntries(details),
    });
    if (Buffer.byteLength(json) <= WIRE_BYTES) return json;
  }
}

/** `text`, or its head and an ellipsis, in at most `bytes` of UTF-8. */
function clip(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  const ellipsis = '…';
  let end = Math.max(0, bytes - Buffer.byteLength(ellipsis));
  // Back to the start of a character: UTF-8 continues with 10xxxxxx.
  while (end > 0 && ((encoded[end] as number) & 0xc0) === 0x80) end--;
  return encoded.toString('utf8', 0, end) + ellipsis;
}
