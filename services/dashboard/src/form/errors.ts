import { Problem } from '../api/problem.js';

/** What was wrong, by the field of the form that it stands at; '' holds what belongs to none. */
export type FieldErrors = ReadonlyMap<string, string>;

/** Errors that name no field, and yet are about one. */
const FIELD_OF: Readonly<Record<string, string>> = {
  NO_FULL_STEP: 'global_batch_size',
  RUN_CONFLICT: 'name',
  RUN_EXISTS: 'name',
  NO_GOOD_IMAGE: 'dataset.url',
};

/** @param thrown null: nothing was */
export function fieldErrors(thrown: unknown): FieldErrors {
  if (thrown === null || thrown === undefined) return new Map();
  if (!(thrown instanceof Problem))
    return new Map([['', thrown instanceof Error ? thrown.message : String(thrown)]]);
  const { code, problem, help } = thrown;
  const field = FIELD_OF[code] ?? (code.startsWith('DATASET_') ? 'dataset.url' : null);
  if (field !== null) return new Map([[field, `${problem}. ${help}`]]);
  const named = thrown.byField();
  return named.has('') ? new Map([...named, ['', `${named.get('')}. ${help}`]]) : named;
}

/** What is wrong at a field or within it: `views.local.transforms` holds what is wrong in any of them. */
export function errorAt(errors: FieldErrors, field: string): string | undefined {
  const told = [...errors].filter(
    ([at]) => at === field || at.startsWith(`${field}.`) || at.startsWith(`${field}[`),
  );
  return told.length === 0
    ? undefined
    : told
        .map(([at, text]) => (at === field ? text : `${at.slice(field.length).replace(/^\./, '')}: ${text}`))
        .join('\n');
}
