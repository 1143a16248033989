/**
 * The recipes: published augmentations as named sets of views, each with the source of its numbers.
 * docs/recipes.md says what is special about each. No sampling, no pixels here.
 */
import { CONTRASTIVE } from './contrastive.js';
import { DINO_FAMILY } from './dino.js';
import { LESSON } from './lesson.js';
import type { Recipe } from './recipe.js';
import { SUPERVISED } from './supervised.js';

export { IMAGENET, type Recipe } from './recipe.js';

/** All recipes by name, in the order of docs/recipes.md. */
export const RECIPES: Readonly<Record<string, Recipe>> = Object.fromEntries(
  [...DINO_FAMILY, ...CONTRASTIVE, ...LESSON, ...SUPERVISED].map((recipe) => [recipe.name, recipe]),
);
