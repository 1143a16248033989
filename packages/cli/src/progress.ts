export interface Progress {
  update(done: number): void;
  stop(): void;
}

const SILENT: Progress = { update() {}, stop() {} };

/** A bar on stderr where that is a terminal; silent elsewhere, so that logs stay readable. */
export function progressBar(what: string, total: number): Promise<Progress> {
  return start(`${what} {bar} {value}/{total} {eta_formatted}`, total);
}

/** A count on stderr, where nobody knows the total. */
export function progressCount(what: string, unit: string): Promise<Progress> {
  return start(`${what}: {value} ${unit}, {duration_formatted}`, Number.MAX_SAFE_INTEGER);
}

async function start(format: string, total: number): Promise<Progress> {
  if (!process.stderr.isTTY) return SILENT;
  const { default: cliProgress } = await import('cli-progress');
  const bar = new cliProgress.SingleBar({
    format,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    barsize: 32,
    fps: 8,
    barCompleteChar: '=',
    barIncompleteChar: ' ',
  });
  bar.start(Math.max(1, total), 0);
  return { update: (done) => bar.update(done), stop: () => bar.stop() };
}
