import { readFileSync } from 'node:fs';
import { BUILT_IN, RECIPES } from '@cropstream/augment';
import { describe, expect, it } from 'vitest';
import { specJsonSchema } from './index.js';

const page = (name: string) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');

interface Properties {
  readonly properties?: Readonly<Record<string, Properties>>;
  readonly anyOf?: readonly Properties[];
}

describe('the pages on specs', () => {
  const recipes = page('recipes.md');
  const transforms = page('transforms.md');

  it('name every recipe and every field of a spec', () => {
    for (const name of Object.keys(RECIPES))
      expect(recipes).toMatch(new RegExp(`^\\| \`${name}\` +\\|`, 'm'));
    const schema = specJsonSchema() as Properties;
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      if (name === 'exif_rotation' || name === 'draft') continue; // as resolved specs have it
      const inner = name === 'dataset' || name === 'normalization' ? {} : (field.properties ?? {});
      const names = Object.keys(inner).map((key) => `${name}.${key}`);
      for (const written of names.length > 0 ? names : [name]) expect(recipes).toContain(`\`${written}\``);
    }
  });

  it('name every transform with its fields', () => {
    const { $defs } = specJsonSchema() as unknown as { $defs: { transform: Properties } };
    const known = $defs.transform.anyOf?.at(-1)?.properties ?? {};
    expect(Object.keys(known)).toEqual(BUILT_IN.map(({ name }) => name));
    for (const [name, { anyOf }] of Object.entries(known)) {
      expect(transforms).toMatch(new RegExp(`^\\| \`${name}\` +\\|`, 'm'));
      for (const field of Object.keys(anyOf?.[0]?.properties ?? {}))
        expect(transforms).toContain(`\`${field}\``);
    }
  });
});
