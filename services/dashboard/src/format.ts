/** Numbers and times as people read them; each the same width for the same magnitude where it stands in a table. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

export const formatCount = (value: number): string => whole.format(value);

/** `12.3K`. */
export const formatCompact = (value: number): string =>
  Math.abs(value) < 10_000 ? whole.format(value) : compact.format(value);

/** A rate a second: `0`, `0.42`, `38.1`, `1,204`. */
export function formatRate(value: number): string {
  if (value === 0) return '0';
  if (value < 1) return value.toFixed(2);
  return value < 100 ? value.toFixed(1) : whole.format(value);
}

const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BYTES.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? whole.format(value) : value.toFixed(1)} ${BYTES[unit]}`;
}

/** A share as `4 %`; what is there but small is `< 1 %`. */
export function formatShare(share: number): string {
  if (share > 0 && share < 0.01) return '< 1 %';
  if (share > 0.99 && share < 1) return '> 99 %';
  return `${Math.round(share * 100)} %`;
}

/** `8 s`, `3 min`, `2 h 5 min`, `4 d`. */
export function formatDuration(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 60) return s < 10 && s % 1 !== 0 ? `${s.toFixed(1)} s` : `${Math.round(s)} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

export const formatAgo = (millis: number, now = Date.now()): string =>
  `${formatDuration(Math.round((now - millis) / 1000))} ago`;

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
export const formatClock = (millis: number): string => clock.format(millis);

/** A number of a form or a parameter: up to 4 significant digits, no trailing zeros. */
export const formatValue = (value: number): string => String(Number(value.toPrecision(4)));

/** `1 worker`, `3 workers`. */
export const plural = (count: number, noun: string, nouns = `${noun}s`): string =>
  `${formatCount(count)} ${count === 1 ? noun : nouns}`;

/** The first characters of a digest or a fingerprint: enough to tell one from another. */
export const shortDigest = (digest: string): string => digest.slice(0, 10);
