import { MAX_VIEWS } from '@cropstream/augment';
import { failure } from '@cropstream/errors';

/** Fields of all mappings together: a mix of a thousand datasets has fewer. */
const MAX_FIELDS = 10_000;
/** A mapping of views may remove all those of a recipe, and add as many. */
const MAX_ENTRIES = 2 * MAX_VIEWS;
/** More than there are transforms. */
const MAX_TRANSFORMS = 128;

/**
 * Refuses what would take long to be refused in all its parts: a spec may come from a stranger, and whoever parses it does
 * nothing else meanwhile.
 * @throws LIMIT_EXCEEDED naming the field
 */
export function checkSizes(input: unknown): void {
  if (!isObject(input)) return;
  if (isObject(input.views)) checkViews(input.views);
  checkFields(input);
}

function checkViews(views: Readonly<Record<string, unknown>>): void {
  checkSize('views', views, MAX_ENTRIES);
  for (const [name, view] of Object.entries(views)) {
    if (isObject(view)) checkSize(`views.${name}.transforms`, view.transforms, MAX_TRANSFORMS);
  }
  checkSize('views.transforms', views.transforms, MAX_TRANSFORMS);
}

function checkFields(input: object): void {
  let fields = 0;
  const left: object[] = [input];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const values = Object.values(next);
    if (!Array.isArray(next)) fields += values.length;
    if (fields > MAX_FIELDS) {
      throw failure('LIMIT_EXCEEDED', { field: 'fields', value: `over ${MAX_FIELDS}`, limit: MAX_FIELDS });
    }
    for (const value of values) if (isObject(value)) left.push(value);
  }
}

function checkSize(field: string, value: unknown, limit: number): void {
  if (!isObject(value)) return;
  const size = Array.isArray(value) ? value.length : Object.keys(value).length;
  if (size > limit) throw failure('LIMIT_EXCEEDED', { field, value: size, limit });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
