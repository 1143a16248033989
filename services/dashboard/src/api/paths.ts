/** The path of a run, or of what belongs to it. @param owner null: the reader's own */
export function runPath(
  name: string,
  owner: string | null,
  what = '',
  query: Readonly<Record<string, string | number | boolean | null>> = {},
): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...query, owner })) {
    if (value !== null) parameters.set(key, String(value));
  }
  const path = `runs/${encodeURIComponent(name)}${what === '' ? '' : `/${what}`}`;
  return parameters.size === 0 ? path : `${path}?${parameters}`;
}
