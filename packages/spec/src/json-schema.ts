import { z } from 'zod';
import { runSpecSchema } from './schema.js';

/** The JSON Schema of a spec file, for editors; docs/spec.schema.json is this. */
export function specJsonSchema(): object {
  const schema = z.toJSONSchema(runSpecSchema, { io: 'input' }) as {
    properties: object;
    required?: string[];
  };
  return {
    ...schema,
    title: 'Cropstream run spec',
    properties: {
      extends: {
        description: 'Spec files that this one goes on top of, relative to it.',
        anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
      },
      ...schema.properties,
    },
    // The dataset may come from the command line.
    required: [],
  };
}
