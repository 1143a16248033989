import { type CropstreamError, failure } from '@cropstream/errors';
import * as z from 'zod';
import type { SampleField } from '../../manifests/manifest.js';
import { MAX_FIELDS, whyNoFieldName } from '../fields.js';
import type { Leaf, LitDataIndex } from './index-file.js';

const place = z.strictObject({ name: z.string(), leaf: z.int().min(0) });
const scalarFormat = z.enum(['int', 'float', 'bool', 'str']);

/** Where a sample's bytes have what is read of it; the manifest carries it to the readers. */
const layoutSchema = z.strictObject({
  compression: z.enum(['none', 'chunk', 'batch', 'sample']),
  leaves: z.int().min(1),
  image: place.extend({ format: z.enum(['encoded', 'pil']) }),
  label: place.extend({ format: z.enum(['int', 'bool', 'str']) }).nullable(),
  fields: z.array(place.extend({ format: scalarFormat })),
});

export type Layout = z.infer<typeof layoutSchema>;
export type ScalarFormat = z.infer<typeof scalarFormat>;

export interface LayoutChoices {
  readonly image_field?: string | undefined;
  readonly label_field?: string | undefined;
}

/** Fields that are taken for the image where they may be one, the likeliest first. */
export const IMAGE_NAMES = ['image', 'img', 'jpg', 'jpeg', 'png', 'webp', 'picture', 'pixels'];
const LABEL_NAMES = ['label', 'cls', 'class'];

/**
 * Which of the values are the image, the label, and fields that ride along, and a sentence for each that is left out.
 *
 * @throws DATASET_MALFORMED where no leaf, or more than one, may be the image
 * @throws SPEC_INVALID for a choice that there is not
 */
export function chooseLayout(
  { compression, leaves }: Pick<LitDataIndex, 'compression' | 'leaves'>,
  classes: readonly string[],
  choices: LayoutChoices,
): { readonly layout: Layout; readonly notices: string[] } {
  const places = leaves.map((leaf, i) => ({ ...leaf, leaf: i }));
  const image = chooseImage(places, choices.image_field);
  const label = chooseLabel(places, choices.label_field, classes.length > 0);
  const fields: Layout['fields'] = [];
  const notices: string[] = [];
  for (const { name, nested, format, leaf } of places) {
    if (leaf === image.leaf || leaf === label?.leaf) continue;
    const scalar = SCALARS.get(format);
    const why = nested
      ? 'it is nested'
      : scalar === undefined
        ? `${format} is no string or number`
        : (whyNoFieldName(name) ??
          (fields.length >= MAX_FIELDS ? `a sample has ${MAX_FIELDS} fields at most` : null));
    if (why === null && scalar !== undefined) fields.push({ name, leaf, format: scalar });
    else notices.push(`the field ${JSON.stringify(name.slice(0, 80))} is left out: ${why}`);
  }
  if (label === null)
    notices.push('no field was found that is the label: all labels are -1 (dataset.label_field names one)');
  return { layout: { compression, leaves: leaves.length, image, label, fields }, notices };
}

/** @throws DATASET_MALFORMED for settings that no `chooseLayout` made */
export function parseLayout(settings: Readonly<Record<string, string>>): Layout {
  try {
    return layoutSchema.parse(JSON.parse(settings.layout ?? ''));
  } catch {
    throw failure('DATASET_MALFORMED', { path: 'the manifest', reason: 'its layout is not valid' });
  }
}

/** The fields as a manifest has them. */
export function manifestFields({ fields }: Layout): SampleField[] {
  return fields.map(({ name, format }) => ({ name, dtype: DTYPES[format] }));
}

const SCALARS = new Map<string, ScalarFormat>([
  ['int', 'int'],
  ['float', 'float'],
  ['bool', 'bool'],
  ['str', 'str'],
  ['text', 'str'],
]);

const DTYPES: Readonly<Record<ScalarFormat, SampleField['dtype']>> = {
  int: 'int64',
  bool: 'int64',
  float: 'float64',
  str: 'string',
};

type Place = Leaf & { readonly leaf: number };

/** How an image is stored, or null where a format is none. `bytes` and `file` may be anything: decoding tells. */
function imageFormat(format: string): Layout['image']['format'] | null {
  if (format === 'pil') return 'pil';
  return /^(jpeg|image|tifffile|tif|bytes|file)(:|$)/.test(format) ? 'encoded' : null;
}

function chooseImage(places: readonly Place[], wanted: string | undefined): Layout['image'] {
  const images = places.filter(({ nested, format }) => !nested && imageFormat(format) !== null);
  const surely = images.filter(({ format }) => !/^(bytes|file)(:|$)/.test(format));
  const [first, ...others] = surely.length > 0 ? surely : images;
  const chosen =
    wanted === undefined
      ? (IMAGE_NAMES.map((name) => images.find((leaf) => leaf.name === name)).find(
          (leaf) => leaf !== undefined,
        ) ?? (others.length === 0 ? first : undefined))
      : images.find(({ name }) => name === wanted);
  if (chosen) {
    return {
      name: chosen.name,
      leaf: chosen.leaf,
      format: imageFormat(chosen.format) as Layout['image']['format'],
    };
  }
  const candidates = images.map(({ name }) => name).join(', ');
  if (wanted !== undefined) throw invalid('image_field', wanted, candidates);
  throw failure('DATASET_MALFORMED', {
    path: 'index.json',
    reason:
      candidates === ''
        ? `config.data_format is ${described(places)}: none of it holds images (jpeg, pil, image, tifffile, bytes, file)`
        : `several fields may be the image (${candidates}): dataset.image_field names the one`,
  });
}

function chooseLabel(
  places: readonly Place[],
  wanted: string | undefined,
  hasClasses: boolean,
): Layout['label'] {
  const labels = places.flatMap(({ name, nested, leaf, format }) => {
    const scalar = SCALARS.get(format) ?? 'float';
    return nested || scalar === 'float' ? [] : [{ name, leaf, format: scalar }];
  });
  // What is text names a class, where classes have names.
  const likely = labels.filter(({ format }) => format !== 'str' || hasClasses);
  // A tuple of an image and a class, as torchvision's datasets give it, has no names.
  const isTuple = places.every(({ name }) => /^\d+$/.test(name));
  const [second, ...others] = isTuple ? likely : [];
  const chosen =
    wanted === undefined
      ? (LABEL_NAMES.map((name) => likely.find((leaf) => leaf.name === name)).find(
          (leaf) => leaf !== undefined,
        ) ?? (others.length === 0 ? second : undefined))
      : labels.find(({ name }) => name === wanted);
  if (chosen === undefined && wanted !== undefined) {
    throw invalid('label_field', wanted, labels.map(({ name }) => name).join(', '));
  }
  return chosen ?? null;
}

function described(places: readonly Place[]): string {
  return places
    .map(({ name, format }) => `${name}: ${format}`)
    .join(', ')
    .slice(0, 500);
}

function invalid(field: string, value: string, candidates: string): CropstreamError {
  return failure('SPEC_INVALID', {
    field: `dataset.${field}`,
    value: JSON.stringify(value),
    allowed: candidates === '' ? 'nothing: no field of the dataset fits' : `one of ${candidates}`,
  });
}
