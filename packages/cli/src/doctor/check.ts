/** One line of the doctor's report. `warn`: it works, but not as well as it could. `fail`: it will not work. */
export interface Check {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  /** What was found, with numbers. */
  readonly found: string;
  /** What to do about it; absent when all is well. */
  readonly fix?: string;
}

export const ok = (name: string, found: string): Check => ({ name, status: 'ok', found });
export const warn = (name: string, found: string, fix: string): Check => ({
  name,
  status: 'warn',
  found,
  fix,
});
export const fail = (name: string, found: string, fix: string): Check => ({
  name,
  status: 'fail',
  found,
  fix,
});
