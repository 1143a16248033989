export type Mapping = { [key: string]: unknown };

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * `child` on top of `base`. Mappings merge key by key, at every depth; lists and scalars replace; `null` takes the
 * base's value away. Under `views`, null stays: it must also remove what the recipe brings.
 */
export function mergeSpecs(base: Mapping, child: Mapping, keepNull = false): Mapping {
  const merged: Mapping = { ...base };
  for (const [key, value] of Object.entries(child)) {
    const below = merged[key];
    if (value === null && !keepNull) delete merged[key];
    else if (isMapping(below) && isMapping(value)) merged[key] = mergeSpecs(below, value, key === 'views');
    else merged[key] = value;
  }
  return merged;
}
