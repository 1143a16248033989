/**
 * The one table of errors, and the class that carries a row of it through the code and the wire.
 * Depends on nothing; everything may depend on it. No logging, no transport here.
 */
import { ERROR_TABLE, type ErrorCode, type ErrorDetails, type ErrorRow, GrpcStatus } from './table.js';

export { ERROR_TABLE, type ErrorCode, type ErrorDetails, type ErrorRow, GrpcStatus } from './table.js';

type Scalar = string | number | boolean;

/** An error of the table. `message` says what was wrong and what to do. */
export class CropstreamError extends Error {
  override readonly name = 'CropstreamError';

  constructor(
    readonly code: ErrorCode,
    /** What was wrong, without the help. */
    readonly problem: string,
    readonly help: string,
    readonly details: Readonly<Record<string, Scalar>>,
    options?: ErrorOptions,
  ) {
    super(`${problem}. ${help}`, options);
  }

  get row(): ErrorRow {
    return ERROR_TABLE[this.code];
  }

  get grpcStatus(): number {
    return GrpcStatus[this.row.grpc];
  }

  get httpStatus(): number {
    return this.row.http;
  }

  get retryable(): boolean {
    return this.row.retryable;
  }

  /** A plain object for the wire, logs and other threads. */
  toWire(): WireError {
    return { code: this.code, problem: this.problem, help: this.help, details: { ...this.details } };
  }

  /** The error again; codes of a newer version become INTERNAL, their text kept. */
  static fromWire(wire: WireError): CropstreamError {
    const code = Object.hasOwn(ERROR_TABLE, wire.code) ? (wire.code as ErrorCode) : 'INTERNAL';
    return new CropstreamError(code, wire.problem, wire.help, wire.details);
  }
}

export interface WireError {
  readonly code: string;
  readonly problem: string;
  readonly help: string;
  readonly details: Readonly<Record<string, Scalar>>;
}

/** Makes the error of a code: `throw failure('RUN_NOT_FOUND', { run, known })`. */
export function failure<C extends ErrorCode>(
  code: C,
  details: ErrorDetails<C>,
  options?: ErrorOptions,
): CropstreamError {
  const plain: Record<string, Scalar> = {};
  for (const [name, value] of Object.entries(details) as [string, Scalar | bigint][]) {
    plain[name] = typeof value === 'bigint' ? value.toString() : value;
  }
  const fill = (template: string) => template.replace(/\{(\w+)\}/g, (_, name: string) => String(plain[name]));
  const { message, help } = ERROR_TABLE[code];
  return new CropstreamError(code, fill(message), fill(help), plain, options);
}

/** Any thrown value as an error of the table. */
export function toFailure(thrown: unknown): CropstreamError {
  if (thrown instanceof CropstreamError) return thrown;
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return failure('INTERNAL', { reason }, { cause: thrown });
}
