import { type CropstreamError, toFailure } from '@cropstream/errors';

/** 0 done · 1 it failed · 2 it was asked for wrongly · 130 and 143 ended by SIGINT and SIGTERM. */
export function exitCodeOf(thrown: unknown): number {
  const failure = toFailure(thrown);
  if (failure.code === 'CANCELLED') return process.exitCode === undefined ? 130 : Number(process.exitCode);
  return failure.row.grpc === 'INVALID_ARGUMENT' ? 2 : 1;
}

/** One block: what was wrong (a line each, where that is several things), what to do, the code that docs/errors.md explains. */
export function failureBlock(failure: CropstreamError): string {
  const problem = failure.problem.replaceAll('\n', '\n       ');
  return [`error: ${problem}`, `  help: ${failure.help}`, `  code: ${failure.code}`].join('\n');
}

/**
 * The block goes to stderr; with --json the one object on stdout is then `{"error": {code, problem, help,
 * details}}`. A defect shows its stack where CROPSTREAM_DEBUG is set.
 */
export function printFailure(thrown: unknown, options: { json: boolean }): void {
  const failure = toFailure(thrown);
  // Whoever interrupted it needs no advice.
  const text = failure.code === 'CANCELLED' ? failure.problem : failureBlock(failure);
  process.stderr.write(`${text}\n`);
  if (process.env.CROPSTREAM_DEBUG) {
    const cause = failure.cause instanceof Error ? failure.cause : failure;
    process.stderr.write(`${cause.stack ?? ''}\n`);
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ error: failure.toWire() })}\n`);
}
