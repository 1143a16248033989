import { z } from 'zod';

/** A preset with everything spelled out: views that a spec may hold as they are. */
export const recipeSchema = z
  .object({
    name: z.string(),
    source: z.string().describe('Where its numbers come from.'),
    normalization: z.object({ mean: z.array(z.number()), std: z.array(z.number()) }),
    views: z
      .array(
        z
          .object({
            name: z.string(),
            transforms: z
              .array(z.record(z.string(), z.unknown()))
              .describe('Each with its `name` and every field; `p` is its probability.'),
          })
          .catchall(z.unknown()),
      )
      .describe('Resolved, in order.'),
  })
  .meta({ id: 'Recipe' });
export type Recipe = z.output<typeof recipeSchema>;

export const recipesSchema = z
  .object({
    recipes: z.array(recipeSchema),
    spec_schema: z
      .record(z.string(), z.unknown())
      .describe('JSON Schema of a run spec: every field of a form with its range, default and description.'),
  })
  .meta({ id: 'Recipes' });
export type Recipes = z.output<typeof recipesSchema>;
