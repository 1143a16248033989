import { malformed } from '../malformed.js';
import type { SampleField } from '../manifests/manifest.js';

/** A scalar as data has it; null where a sample lacks it. */
export type Scalar = string | number | null;

/** Limits of what rides with a sample by name. */
export const MAX_FIELDS = 64;
const FIELD_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
/** Names that a batch has for itself. */
const RESERVED = new Set(['label', 'labels', '_indices']);

/** Why a name is not one that a field may have; null where it is. */
export function whyNoFieldName(name: string): string | null {
  if (RESERVED.has(name)) return 'the name means something else in a batch';
  return FIELD_NAME.test(name) ? null : 'names of fields have 1 to 64 letters, digits, _ . -';
}

/** Finds out which fields samples have, of which kinds, where nothing but samples tells. */
export class FieldSurvey {
  readonly #kinds = new Map<string, SampleField['dtype'] | null>();
  readonly #leftOut = new Map<string, string>();

  /** Looks at a field of one sample. `leaveOut` gives the reason where the value is no scalar. */
  add(name: string, value: Scalar, leaveOut: string | null = null): void {
    const reason = leaveOut ?? whyNoFieldName(name);
    if (reason !== null) {
      this.#kinds.delete(name);
      if (this.#leftOut.size < MAX_FIELDS) this.#leftOut.set(name, reason);
    } else if (!this.#leftOut.has(name)) {
      if (this.#kinds.size >= MAX_FIELDS && !this.#kinds.has(name)) {
        this.#leftOut.set(name, `a sample has ${MAX_FIELDS} fields at most`);
        return;
      }
      this.#kinds.set(name, joined(this.#kinds.get(name) ?? null, kindOf(value)));
    }
  }

  /** The fields by name, and a sentence for each that is left out. A field of nothing but nulls is a string. */
  finish(): { readonly fields: SampleField[]; readonly notices: string[] } {
    const fields = [...this.#kinds].map(([name, kind]) => ({ name, dtype: kind ?? ('string' as const) }));
    const notices = [...this.#leftOut].map(
      ([name, reason]) => `the field ${JSON.stringify(name.slice(0, 80))} is left out: ${reason}`,
    );
    return { fields: fields.sort((a, b) => (a.name < b.name ? -1 : 1)), notices };
  }
}

function kindOf(value: Scalar): SampleField['dtype'] | null {
  if (value === null) return null;
  if (typeof value === 'string') return 'string';
  return Number.isSafeInteger(value) ? 'int64' : 'float64';
}

function joined(a: SampleField['dtype'] | null, b: SampleField['dtype'] | null): SampleField['dtype'] | null {
  if (a === null || b === null || a === b) return a ?? b;
  return a === 'string' || b === 'string' ? 'string' : 'float64';
}

/**
 * A value as the manifest says that its field is. What a sample lacks is the empty string, NaN, or, as a label that is none, -1.
 *
 * @returns undefined where the value is not of that kind
 */
export function fieldValue(
  dtype: SampleField['dtype'],
  value: Scalar | undefined,
): string | number | undefined {
  if (value === null || value === undefined) {
    if (dtype === 'string') return '';
    return dtype === 'int64' ? -1 : Number.NaN;
  }
  if (dtype === 'string') return String(value);
  if (typeof value !== 'number') return undefined;
  return dtype === 'float64' || Number.isSafeInteger(value) ? value : undefined;
}

const INT32_MAX = 0x7fffffff;

/**
 * A sample's label: a number (in digits or not), or, where the classes have names, one of them; -1 where it has none.
 *
 * @param path of the sample
 * @throws DATASET_MALFORMED
 */
export function checkedLabel(
  path: string,
  classes: ReadonlyMap<string, number>,
  value: Scalar | undefined,
): number {
  const label = labelValue(classes, value);
  if (label !== undefined) return label;
  const allowed =
    classes.size > 0
      ? `one of ${classes.size} classes`
      : 'a number; the names of classes go into dataset.classes';
  throw malformed(path, `its label ${JSON.stringify(value)} is not ${allowed}`);
}

/** As `checkedLabel`; undefined where it is no label. */
export function labelValue(
  classes: ReadonlyMap<string, number>,
  value: Scalar | undefined,
): number | undefined {
  if (value === null || value === undefined) return -1;
  if (typeof value === 'string') {
    const named = classes.get(value.trim());
    if (named !== undefined) return named;
    if (!/^\s*[-+]?\d{1,10}\s*$/.test(value)) return undefined;
  }
  const label = Number(value);
  const limit = classes.size > 0 ? classes.size - 1 : INT32_MAX;
  return Number.isInteger(label) && label >= -1 && label <= limit ? label : undefined;
}
