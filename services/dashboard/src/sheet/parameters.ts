import { formatValue } from '../format.js';

/** One line of what was done to a view. */
export interface Told {
  readonly name: string;
  readonly value: string;
  /** False: it was not applied. */
  readonly applied: boolean;
}

type Params = Readonly<Record<string, unknown>>;

const numbers = (value: unknown): number[] =>
  Array.isArray(value) ? value.filter((item): item is number => typeof item === 'number') : [];

function box(value: unknown): string {
  const [x = 0, y = 0, width = 0, height = 0] = numbers(value);
  return `${width} × ${height} at ${x}, ${y}`;
}

const size = (value: unknown): string => {
  const sides = typeof value === 'number' ? [value, value] : numbers(value);
  return sides.join(' × ');
};

function jitter(value: Params): string {
  const order = Array.isArray(value.order) ? value.order.map(String) : [];
  return order
    .map((factor) => `${factor} ${typeof value[factor] === 'number' ? formatValue(value[factor]) : '?'}`)
    .join(', then ');
}

function blur({ kind, sigma, kernel_size }: Params): string {
  const kernel = typeof kernel_size === 'number' ? `, kernel ${kernel_size}` : '';
  return `${String(kind)}, sigma ${typeof sigma === 'number' ? formatValue(sigma) : '?'}${kernel}`;
}

/** A parameter's name for people and its value in words, by the key that it has in `params`. */
const WORDS: Readonly<Record<string, readonly [string, (value: never) => string]>> = {
  box: ['Box', box],
  size: ['Resized to', size],
  resize: ['Resized to', size],
  interpolation: ['Interpolation', String],
  center_crop: ['Centre crop', box],
  flip: ['Flip', () => 'yes'],
  color_jitter: ['Jitter', jitter],
  grayscale: ['Grayscale', () => 'yes'],
  blur: ['Blur', blur],
  solarize: ['Solarize', (threshold: number) => `from ${threshold}`],
};

/** What was done to one view of one sample, in order of application. */
export function tell(params: Params): Told[] {
  return Object.entries(params).map(([key, value]) => {
    const [name, words] = WORDS[key] ?? [key, JSON.stringify as (value: never) => string];
    const applied = value !== null && value !== false;
    return { name, value: applied ? words(value as never) : 'no', applied };
  });
}
