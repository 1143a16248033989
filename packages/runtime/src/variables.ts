import { z } from 'zod';
import { ROOT, ROOT_ALLOWED } from './access/principal.js';
import { redactUrl } from './redact.js';

/** Schemas of environment variables: each takes a string and says in its error what is allowed. */

function variable<T>(allowed: string, parse: (text: string) => T | undefined) {
  return z
    .string({ error: allowed })
    .transform((text, context): T => {
      const value = parse(text.trim());
      if (value !== undefined) return value;
      context.issues.push({ code: 'custom', message: allowed, input: text });
      return z.NEVER;
    })
    .meta({ allowed });
}

/** A whole number from `min` to `max`. */
export function integerVariable(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return variable(`a whole number ${range}`, (text) => {
    const value = Number(text);
    return /^\d+$/.test(text) && value >= min && value <= max ? value : undefined;
  });
}

/** A TCP port; 0 for any free one. */
export const portVariable = () => integerVariable(0, 65_535);

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};

/** A number of bytes, with or without a unit. */
export function bytesVariable() {
  return variable('a number of bytes, such as 1073741824, 512MiB or 2GiB', (text) => {
    const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? [];
    const factor = BYTE_UNITS[unit?.toLowerCase() ?? ''];
    const bytes = Math.round(Number(digits) * (factor ?? Number.NaN));
    return Number.isSafeInteger(bytes) ? bytes : undefined;
  });
}

/** Milliseconds, given as such or with a unit. */
export function durationVariable() {
  const units: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  return variable('a duration, such as 500ms, 30s, 5m or 24h', (text) => {
    const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|)$/.exec(text) ?? [];
    const ms = Number(digits) * (units[unit] as number);
    return Number.isSafeInteger(ms) ? ms : undefined;
  });
}

export function flagVariable() {
  return variable('true or false', (text) => {
    if (/^(1|true|yes|on)$/i.test(text)) return true;
    return /^(0|false|no|off)$/i.test(text) ? false : undefined;
  });
}

export function choiceVariable<const T extends readonly string[]>(choices: T) {
  return variable(`one of ${choices.join(', ')}`, (text) => choices.find((c): c is T[number] => c === text));
}

/** Any text but the empty. */
export function textVariable(what: string) {
  return variable(what, (text) => (text === '' ? undefined : text));
}

/** A name that is safe in keys and file names. */
export function nameVariable() {
  return variable('letters, digits, - and _', (text) => (/^[\w-]+$/.test(text) ? text : undefined));
}

/** Texts, separated by commas. */
export function listVariable(what: string) {
  return variable(what, (text): readonly string[] | undefined => {
    const items = text.split(',').map((item) => item.trim());
    return items.includes('') ? undefined : items;
  });
}

/** Addresses, separated by commas; `port` where one names none. */
export function addressesVariable(port: number) {
  return variable('HOST or HOST:PORT, several separated by commas', (text) => {
    const addresses = text
      .split(',')
      .map((item) => /^(\[[\da-f:.]+\]|[^\s:]+)(?::(\d{1,5}))?$/i.exec(item.trim()));
    const parsed = addresses.flatMap((match) => {
      const at = Number(match?.[2] ?? port);
      return match && at > 0 && at <= 65_535 ? [{ host: match[1]!.replace(/^\[|\]$/g, ''), port: at }] : [];
    });
    return parsed.length === addresses.length ? parsed : undefined;
  });
}

/** The path of a PEM file. */
export const pemFileVariable = (what: string) => textVariable(`the path of a PEM file with ${what}`);

/** Folders, and the beginnings of urls, that may be read: separated by commas. */
export function rootsVariable() {
  return variable(`${ROOT_ALLOWED}, several separated by commas`, (text): readonly string[] | undefined => {
    const roots = text.split(',').map((root) => root.trim());
    return roots.every((root) => ROOT.test(root)) ? roots : undefined;
  });
}

/** A URL of one of the `schemes` (`redis:`). Its password is kept out of messages. */
export function urlVariable(schemes: readonly string[]) {
  return variable(`a URL that begins with ${schemes.map((s) => `${s}//`).join(' or ')}`, (text) =>
    URL.canParse(text) && schemes.includes(new URL(text).protocol) ? text : undefined,
  );
}

/** A token or password: never shown, in messages or logs. */
export const secretVariable = () => textVariable('a secret').meta({ allowed: 'a secret', secret: true });

/** A variable's value as an error may show it. */
export function shown(value: string | undefined, secret: boolean): string {
  if (value === undefined || value === '') return 'not set';
  return secret ? 'not a value that is allowed (not shown)' : `"${redactUrl(value)}"`;
}
