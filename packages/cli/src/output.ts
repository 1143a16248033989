/**
 * Where a command's words go. Results go to stdout, notices and progress to stderr; with --json stdout
 * carries one JSON object and nothing else.
 */
export class Output {
  readonly #json: boolean;

  constructor(options: { json?: boolean | undefined } = {}) {
    this.#json = options.json ?? false;
  }

  /** A line about what is going on: stderr. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  /** A line of the result for people: stdout, or stderr beside --json. */
  line(text = ''): void {
    (this.#json ? process.stderr : process.stdout).write(`${text}\n`);
  }

  /** The one object of --json; nothing without it. */
  json(value: unknown): void {
    if (this.#json) process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** Columns padded to their widest cell; columns named in `right` are right-aligned. */
  table(head: readonly string[], rows: readonly (readonly string[])[], right: readonly number[] = []): void {
    const all = [head, ...rows];
    const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
    const format = (row: readonly string[]) =>
      row
        .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd();
    this.line(format(head));
    this.line(widths.map((width) => '-'.repeat(width)).join('  '));
    for (const row of rows) this.line(format(row));
  }
}

/** 1536 -> "1.5 KiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

/** 1234567 -> "1,234,567". */
export function formatCount(value: number): string {
  return value.toLocaleString('en-US');
}

/** (1, "thread") -> "1 thread", (2, "batch", "batches") -> "2 batches". */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${value === 1 ? one : many}`;
}
