import { type Recipes, recipesSchema } from '@cropstream/api';
import { RECIPES, resolveViews, type TransformRegistry } from '@cropstream/augment';
import { specJsonSchema } from '@cropstream/spec';
import type { Routes } from './context.js';

export const recipeRoutes: Routes = (app, { transforms }) => {
  const recipes = describeRecipes(transforms);
  app.get(
    '/recipes',
    {
      schema: {
        tags: ['recipes'],
        summary: 'Presets with every field spelled out, and the schema of a spec',
        response: { 200: recipesSchema },
      },
    },
    async () => recipes,
  );
};

function describeRecipes(registry: TransformRegistry): Recipes {
  return {
    recipes: Object.values(RECIPES).map((recipe) => {
      const { name, source, normalization } = recipe;
      const views = resolveViews(undefined, recipe, { registry, normalization });
      return {
        name,
        source,
        normalization: { mean: [...normalization.mean], std: [...normalization.std] },
        views: views.map((view) => ({ ...view, transforms: view.transforms.map((step) => ({ ...step })) })),
      };
    }),
    spec_schema: { ...specJsonSchema() },
  };
}
