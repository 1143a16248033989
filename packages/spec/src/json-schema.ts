import { BUILT_IN } from '@cropstream/augment';
import { z } from 'zod';
import { runSpecSchema } from './schema.js';

interface JsonSchema {
  [keyword: string]: unknown;
  properties?: Record<string, unknown>;
  $defs?: Record<string, unknown>;
}

/** The JSON Schema of a spec file, for editors; docs/spec.schema.json is this. */
export function specJsonSchema(): object {
  const schema = z.toJSONSchema(runSpecSchema, { io: 'input' }) as JsonSchema;
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
    // What is missing may come from an extended file or from the command line.
    required: [],
    $defs: { ...schema.$defs, transform: transformSchema() },
  };
}

/** A transform by name alone, or with its fields. Other names are third-party transforms. */
function transformSchema(): JsonSchema {
  const fields = BUILT_IN.map(({ name, schema, scalar }) => {
    const { $schema, ...own } = z.toJSONSchema(schema, { io: 'input' });
    const alone =
      scalar === undefined
        ? []
        : [{ description: `${scalar} alone`, ...(own.properties?.[scalar] as object) }];
    return [name, { anyOf: [own, ...alone, { type: 'null' }] }] as const;
  });
  return {
    description: 'A transform: its name, or a mapping of its name to its fields.',
    anyOf: [
      { enum: BUILT_IN.map(({ name }) => name) },
      { type: 'string' },
      { type: 'object', minProperties: 1, properties: Object.fromEntries(fields) },
    ],
  };
}
