import { CropstreamError, failure, toFailure } from '@cropstream/errors';
import type { FastifyError } from 'fastify';
import type { HttpLimits } from './limits.js';

/** An error of the table as RFC 9457 has it: the body of every answer of status 400 and above. */
export interface Problem {
  /** `urn:cropstream:error:RUN_NOT_FOUND`. */
  readonly type: string;
  /** When this kind of error occurs: the same for all of a code. */
  readonly title: string;
  readonly status: number;
  /** What was wrong, with the value. */
  readonly detail: string;
  /** The code of the table, which clients go by. */
  readonly code: string;
  /** What to do about it. */
  readonly help: string;
  /** Whether the same request may succeed later, unchanged. */
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

export const PROBLEM_TYPE = 'application/problem+json';

export function problemOf(error: CropstreamError): Problem {
  const { code, row, problem, help, details, httpStatus, retryable } = error;
  const type = `urn:cropstream:error:${code}`;
  return { type, title: row.when, status: httpStatus, detail: problem, code, help, retryable, details };
}

/** What a handler, a plugin or fastify threw, as an error of the table. */
export function failureOf(thrown: unknown, contentType: string, limits: HttpLimits): CropstreamError {
  if (thrown instanceof CropstreamError || !isFastifyError(thrown)) return toFailure(thrown);
  switch (thrown.statusCode) {
    case 413:
      return failure('REQUEST_TOO_LARGE', { limit: limits.bodyBytes });
    case 415:
      return failure('MEDIA_TYPE_UNSUPPORTED', { given: contentType });
    default:
      return failure('REQUEST_INVALID', { reason: reasonOf(thrown) });
  }
}

/** Of a request that Node's parser gave up. */
export function parserFailure({ code }: { readonly code?: string }, limits: HttpLimits): CropstreamError {
  if (code === 'HPE_HEADER_OVERFLOW') return failure('HEADERS_TOO_LARGE', { limit: limits.headerBytes });
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return failure('REQUEST_TIMEOUT', { seconds: limits.requestMs / 1000 });
  }
  return failure('REQUEST_INVALID', { reason: 'it is not HTTP/1.1' });
}

/** An error of fastify or a plugin that blames the request. */
function isFastifyError(thrown: unknown): thrown is FastifyError & { statusCode: number } {
  if (!(thrown instanceof Error) || !('statusCode' in thrown)) return false;
  const { statusCode } = thrown;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500;
}

function reasonOf({ message, validation, validationContext }: FastifyError): string {
  const [first] = validation ?? [];
  if (first === undefined) return message;
  return `${validationContext ?? 'body'}${first.instancePath.replaceAll('/', '.')}: ${first.message ?? message}`;
}
