import { InvalidArgumentError, Option } from 'commander';

/** A parser of integer flags for commander; its message names what is allowed. */
export function integer(lo: number, hi: number = Number.MAX_SAFE_INTEGER): (value: string) => number {
  return (value) => {
    const parsed = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (Number.isSafeInteger(parsed) && parsed >= lo && parsed <= hi) return parsed;
    const upper = hi === Number.MAX_SAFE_INTEGER ? 'below 2^53' : `at most ${hi}`;
    throw new InvalidArgumentError(`Expected an integer of at least ${lo}, ${upper}.`);
  };
}

/** `--index 3,8,20-23` as [3, 8, 20, 21, 22, 23]. */
export function integerList(value: string): number[] {
  const list = value.split(',').flatMap((part) => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    if (first === undefined)
      throw new InvalidArgumentError('Expected numbers and ranges, such as 3,8,20-23.');
    const from = Number(first);
    const to = last === undefined ? from : Number(last);
    if (to < from || to - from >= 10_000)
      throw new InvalidArgumentError('A range goes up, by 10000 at most.');
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  return list;
}

/** A parser of paths and names: an empty one is an unset variable of a script, not the current folder. */
export function given(value: string): string {
  if (value !== '') return value;
  throw new InvalidArgumentError('Expected a name or path that is not empty.');
}

/** For flags that may be given several times. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** `--decoder`: which library decodes JPEG. */
export const decoderOption = (): Option =>
  new Option('--decoder <name>', 'JPEG decoder; the bytes are the same')
    .choices(['auto', 'turbojpeg', 'sharp'])
    .default('auto');

/** `--owner`: whose run a service is started with. */
export const ownerOption = (): Option =>
  new Option('--owner <name>', 'whose run it is, where CROPSTREAM_TOKENS_FILE has owners')
    .argParser(given)
    .default('default');
