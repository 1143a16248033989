import { isMapping, type Mapping } from './merge.js';
import { runSpecSchema } from './schema.js';

/**
 * Training configs in the manner of Hydra, the lesson's `cifar10_config.yaml` first among them: `defaults:` names
 * configs to build on, `data.*` holds what concerns a loader, everything else is the trainer's.
 */
export function isLessonConfig(document: Mapping): boolean {
  return isMapping(document.data) && document.dataset === undefined;
}

/** The configs that a `defaults:` list names, before and after `_self_` (last, where it is not named). */
export function baseConfigs(defaults: unknown, notices: string[]): { before: string[]; after: string[] } {
  const before: string[] = [];
  const after: string[] = [];
  let target = before;
  for (const entry of Array.isArray(defaults) ? defaults : []) {
    if (entry === '_self_') target = after;
    else if (typeof entry === 'string') target.push(entry);
    else notices.push(`defaults: ${JSON.stringify(entry)}: config groups are not followed; ignored.`);
  }
  return { before, after };
}

/** Keys of `data` that say how many crops there are, how large, and of which share of the image. */
const CROPS = ['global', 'local'].flatMap((group) => [
  { key: `${group}_crops_number`, group, field: 'count' },
  { key: `${group}_crops_scale`, group, field: 'scale' },
  { key: `${group}_crop_size`, group, field: 'size' },
]);

/** Keys of `data` that mean a field of the spec under another name. */
const RENAMED: Readonly<Record<string, string>> = {
  batch_size: 'global_batch_size',
  shuffle: 'shuffle',
  drop_last: 'drop_last',
  seed: 'seed',
};

/** Keys of `data` that say where the dataset lies. */
export const URL_KEYS = ['root', 'data_path', 'data_dir', 'path'];

/** Keys of `data` that other parts of Cropstream take, and where. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  num_workers: 'the service decides: --threads',
  pin_memory: "an argument of the trainer's client",
  persistent_workers: 'the service is persistent',
};

/** A spec out of a training config. The recipe follows the dataset's name, as the lesson's factory function does. */
export function translateLesson(document: Mapping, notices: string[]): { spec: Mapping; aside: Mapping } {
  const { data, experiment, ...others } = document;
  const settings = isMapping(data) ? { ...data } : {};
  const take = (key: string): unknown => {
    const value = settings[key];
    delete settings[key];
    return value;
  };
  const named = String(take('dataset') ?? 'imagenet').toLowerCase();
  const cifar = named === 'cifar10';
  const spec: Mapping = {
    recipe: cifar ? 'lesson-cifar10' : 'lesson-imagenet',
    dataset: { source: cifar ? 'cifar10' : 'image-folder' },
  };
  notices.push(
    `data.dataset: ${named}: recipe ${spec.recipe}, source ${cifar ? 'cifar10' : 'image-folder'}.`,
  );
  for (const [key, field] of Object.entries(RENAMED)) {
    const value = take(key);
    if (value !== undefined) spec[field] = value;
  }
  const url = URL_KEYS.map(take).find((value) => typeof value === 'string');
  if (url !== undefined) spec.dataset = { source: cifar ? 'cifar10' : 'image-folder', url };
  const views = cropViews(take);
  if (Object.keys(views).length > 0) spec.views = views;
  const aside = setAside(settings, notices);
  if (isMapping(experiment)) {
    const { name, seed, ...rest } = experiment;
    if (name !== undefined) spec.name = name;
    if (seed !== undefined) spec.seed = seed;
    if (Object.keys(rest).length > 0) others.experiment = rest;
  }
  for (const [key, value] of Object.entries(others)) {
    if (Object.hasOwn(runSpecSchema.shape, key)) spec[key] = value;
    else {
      aside[key] = value;
      notices.push(`${key}: kept and ignored: it is the trainer's.`);
    }
  }
  return { spec, aside };
}

function cropViews(take: (key: string) => unknown): Mapping {
  const views: Mapping = {};
  for (const { key, group, field } of CROPS) {
    const value = take(key);
    if (value === undefined) continue;
    views[group] = { ...(views[group] as Mapping | undefined), [field]: value };
  }
  for (const [group, view] of Object.entries(views)) {
    // None at all is a number that the lesson's loop allows; here a view is removed by null.
    if ((view as Mapping).count === 0) views[group] = null;
  }
  return views;
}

/** What is left of `data`. */
function setAside(settings: Mapping, notices: string[]): Mapping {
  if (Object.keys(settings).length === 0) return {};
  for (const key of Object.keys(settings)) {
    notices.push(`data.${key}: kept and ignored: ${ELSEWHERE[key] ?? 'nothing here takes it'}.`);
  }
  return { data: settings };
}
