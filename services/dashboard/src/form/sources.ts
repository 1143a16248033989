/** The sources that a spec's JSON Schema knows, in its order. */
export function sourcesOf(schema: Readonly<Record<string, unknown>>): string[] {
  const found: string[] = [];
  const alternatives = at(at(schema, 'properties'), 'dataset');
  for (const key of ['oneOf', 'anyOf']) {
    const list = at(alternatives, key);
    if (!Array.isArray(list)) continue;
    for (const alternative of list as unknown[]) {
      const properties = at(alternative, 'properties');
      const source = at(at(properties, 'source'), 'const');
      // One that has no url of its own (a mix) is not for a form of one address.
      if (typeof source === 'string' && at(properties, 'url') !== undefined) found.push(source);
    }
  }
  return found;
}

const at = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
