import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import { CropstreamError, toFailure } from '@cropstream/errors';
import { type DestinationStream, destination, type Logger, pino } from 'pino';
import { redactUrl } from './redact.js';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  /** Which part speaks: `coordinator`, `crop-worker`. */
  readonly name: string;
  /** @default 'info' */
  readonly level?: LogLevel;
  /** Where lines go, as JSON. @default standard error: JSON, or readable lines where it is a terminal */
  readonly stream?: DestinationStream;
}

const SECRETS = ['token', 'password', 'secret', 'authorization', 'secretAccessKey', 'accessKey'];

/**
 * A logger. Errors go under `err`: those of the table with code and details, defects with their stack. Fields named as
 * secrets are left out at the first two levels, and passwords in URLs are starred.
 */
export function createLogger(options: LogOptions): Logger {
  return pino(
    {
      name: options.name,
      level: options.level ?? 'info',
      serializers: { err: describeError },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), remove: true },
      hooks: { streamWrite: (line) => (line.includes('://') ? redactUrl(line) : line) },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    options.stream ?? standardError(),
  );
}

function describeError(error: unknown): unknown {
  const { code, message, details, stack } = toFailure(error);
  const cause = error instanceof CropstreamError ? error.cause : error;
  const told = { code, message, details };
  if (code !== 'INTERNAL') return told;
  return { ...told, stack: cause instanceof Error ? cause.stack : stack };
}

/** Written synchronously, so that the last line before an exit is never lost. */
function standardError(): DestinationStream {
  if (isatty(2)) {
    const pretty = loadPretty();
    if (pretty !== null) {
      return pretty({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' });
    }
  }
  return destination({ dest: 2, sync: true });
}

/** pino-pretty is a convenience for people at a terminal; services do without. */
function loadPretty(): typeof import('pino-pretty') | null {
  try {
    return createRequire(import.meta.url)('pino-pretty');
  } catch {
    return null;
  }
}
