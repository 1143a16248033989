/** What a spec is made of. */
export type Yaml = string | number | boolean | null | readonly Yaml[] | { readonly [key: string]: Yaml };

/** A mapping whose values are all plain stands on one line while it is no longer than so. */
const LINE = 100;

/** Words that a reader of YAML takes for themselves; anything else is quoted. */
const PLAIN = /^[A-Za-z_/][A-Za-z0-9_./-]*$/;
const RESERVED = /^(?:y|n|yes|no|on|off|true|false|null)$/i;

/** A spec as YAML 1.2, in the style of the documentation: what fits stands on one line. */
export function toYaml(spec: { readonly [key: string]: Yaml }): string {
  return Object.entries(spec)
    .map(([key, value]) => entry(key, value, ''))
    .join('');
}

function entry(key: string, value: Yaml, indent: string): string {
  const head = `${indent}${scalar(key)}:`;
  const inline = flow(value);
  if (isPlain(value) || (isRow(value) && head.length + inline.length < LINE)) return `${head} ${inline}\n`;
  const inner = `${indent}  `;
  if (Array.isArray(value)) return `${head}\n${value.map((item: Yaml) => listed(item, inner)).join('')}`;
  const fields = Object.entries(value as object).map(([name, field]) => entry(name, field as Yaml, inner));
  return `${head}\n${fields.join('')}`;
}

/** An item of a list: on its line, or a mapping of which each field has one. */
function listed(item: Yaml, indent: string): string {
  const inline = flow(item);
  const mapping = typeof item === 'object' && item !== null && !Array.isArray(item);
  if (!mapping || Object.values(item).every(isRow)) return `${indent}- ${inline}\n`;
  const fields = Object.entries(item).map(([name, field]) => entry(name, field as Yaml, `${indent}  `));
  return `${indent}- ${fields.join('').slice(indent.length + 2)}`;
}

const isPlain = (value: Yaml): boolean => typeof value !== 'object' || value === null;

/** Fit for one line: nothing in it is deeper than a list of plain values. */
function isRow(value: Yaml): boolean {
  if (isPlain(value)) return true;
  if (Array.isArray(value)) return value.every(isPlain);
  return Object.values(value as object).every(
    (field: Yaml) => isPlain(field) || (Array.isArray(field) && field.every(isPlain)),
  );
}

function flow(value: Yaml): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([key, field]) => `${scalar(key)}: ${flow(field as Yaml)}`);
    return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
  }
  return typeof value === 'string' ? scalar(value) : String(value);
}

const scalar = (text: string): string =>
  PLAIN.test(text) && !RESERVED.test(text) ? text : JSON.stringify(text);
