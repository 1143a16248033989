import * as z from 'zod';
import type { SampleField } from '../../manifests/manifest.js';
import { PATH_FIELD } from '../common.js';
import { FieldSurvey, MAX_FIELDS, whyNoFieldName } from '../fields.js';
import type { Footer, Leaf } from './footer.js';
import { ParquetError } from './thrift.js';

/** Which columns of the files are what of a sample, by name: `image.bytes` is a column in a structure. */
export const columnsSchema = z.strictObject({
  /** The image's bytes. */
  image: z.string(),
  /** The name of the image's file. */
  imagePath: z.string().nullable(),
  label: z.string().nullable(),
  /** Each named as its column. */
  fields: z.array(z.string()),
});
export type Columns = z.infer<typeof columnsSchema>;

export interface ColumnChoice {
  readonly image: string | null;
  readonly label: string | null;
}

export interface Layout {
  readonly columns: Columns;
  /** Of the fields, sorted by name, `path` among them. */
  readonly fields: readonly SampleField[];
  /** Names of the classes, as `datasets` keeps them; null where it does not. */
  readonly classes: readonly string[] | null;
  readonly notices: readonly string[];
}

const IMAGE_NAMES = ['image', 'img'];
const LABEL_NAMES = ['label', 'cls', 'class'];

/**
 * Finds the columns by name, by what `datasets` says of them, and by what they are.
 *
 * @throws ParquetError where no column is the image's, or the one asked for cannot be
 */
export function findLayout(footer: Footer, choice: ColumnChoice): Layout {
  const features = featuresOf(footer.metadata.get('huggingface'));
  const byName = new Map(footer.leaves.map((leaf) => [leaf.path.join('.'), leaf]));
  const imageName = findImage(footer, choice.image, features);
  const inStruct = byName.has(`${imageName}.bytes`);
  const image = inStruct ? `${imageName}.bytes` : imageName;
  const imagePath =
    inStruct && byName.get(`${imageName}.path`)?.meaning === 'text' ? `${imageName}.path` : null;
  const label = findLabel(byName, choice.label, features);

  const survey = new FieldSurvey();
  const fields: SampleField[] = [];
  for (const [name, leaf] of byName) {
    if (name === image || name === label || name === imagePath) continue;
    const reason = whyNoField(leaf) ?? whyNoFieldName(name);
    if (reason === null && fields.length < MAX_FIELDS) fields.push({ name, dtype: dtypeOf(leaf) });
    else survey.add(name, null, reason ?? `a sample has ${MAX_FIELDS} fields at most`);
  }
  for (const name of footer.nested) survey.add(name, null, 'it is no scalar');
  const columns = { image, imagePath, label, fields: fields.map(({ name }) => name) };
  if (!columns.fields.includes(PATH_FIELD.name)) fields.push(PATH_FIELD);
  return {
    columns,
    fields: fields.sort((a, b) => (a.name < b.name ? -1 : 1)),
    classes: (label === null ? undefined : features.get(label)?.names) ?? null,
    notices: survey.finish().notices,
  };
}

/** A column of a file by its name in a layout. */
export const leafNamed = (footer: Footer, name: string): Leaf | undefined =>
  footer.leaves.find(({ path }) => path.join('.') === name);

/**
 * Makes sure that a file has the columns that the first file has, and its images themselves.
 *
 * @throws ParquetError
 */
export function checkColumns(footer: Footer, { columns, fields }: Layout): void {
  for (const name of namesOf(columns)) {
    const leaf = leafNamed(footer, name);
    if (leaf === undefined)
      throw new ParquetError(`it has no column ${JSON.stringify(name)}, which the first file has`);
    const field = fields.find((known) => known.name === name);
    if (field !== undefined && field.dtype !== dtypeOf(leaf)) {
      throw new ParquetError(
        `its column ${JSON.stringify(name)} is not ${field.dtype}, as in the first file`,
      );
    }
  }
  const image = leafNamed(footer, columns.image) as Leaf;
  if (image.meaning !== 'bytes')
    throw new ParquetError(`its column ${JSON.stringify(columns.image)} is not of bytes`);
  const [group] = footer.groups;
  if (group !== undefined && group.chunks[image.number]?.nulls === group.rows) {
    throw new ParquetError(
      'its images are not in it, only their paths: push_to_hub of datasets embeds them; before to_parquet, map embed_table_storage of datasets.table over the data; or use image-folder',
    );
  }
}

/** All columns that are read. */
export const namesOf = ({ image, imagePath, label, fields }: Columns): string[] => [
  ...new Set([image, imagePath, label, ...fields].filter((name) => name !== null)),
];

function findImage(footer: Footer, asked: string | null, features: ReadonlyMap<string, Feature>): string {
  const isImage = (name: string) =>
    footer.leaves.some(
      ({ path, meaning }) =>
        path[0] === name &&
        (path.length === 1 ? meaning === 'bytes' : path[1] === 'bytes' && meaning === 'bytes'),
    );
  const names = [...new Set(footer.leaves.map(({ path }) => path[0] as string))];
  if (asked !== null) {
    if (isImage(asked)) return asked;
    throw new ParquetError(
      `its column ${JSON.stringify(asked)} has no images' bytes; it has ${shown(names)}`,
    );
  }
  const candidates = names.filter(isImage);
  const found =
    IMAGE_NAMES.find((name) => candidates.includes(name)) ??
    candidates.find((name) => features.get(name)?.type === 'Image') ??
    (candidates.length === 1 ? candidates[0] : undefined);
  if (found !== undefined) return found;
  const hint = candidates.length === 0 ? 'none holds bytes' : `name it: image_field: ${candidates[0]}`;
  throw new ParquetError(`which column has the images is not clear among ${shown(names)}: ${hint}`);
}

/** The label's column: by name, or the only one that `datasets` says is of classes. */
function findLabel(
  columns: ReadonlyMap<string, Leaf>,
  asked: string | null,
  features: ReadonlyMap<string, Feature>,
): string | null {
  const isLabel = (name: string) => ['int64', 'text'].includes(columns.get(name)?.meaning ?? '');
  if (asked !== null) {
    if (isLabel(asked)) return asked;
    throw new ParquetError(
      `its column ${JSON.stringify(asked)} has no labels; it has ${shown([...columns.keys()])}`,
    );
  }
  const ofClasses = [...columns.keys()].filter(
    (name) => isLabel(name) && features.get(name)?.type === 'ClassLabel',
  );
  return LABEL_NAMES.find(isLabel) ?? (ofClasses.length === 1 ? (ofClasses[0] as string) : null);
}

function whyNoField({ path, meaning }: Leaf): string | null {
  if (path.length > 1) return 'it is no scalar';
  if (meaning === 'bytes') return 'it is bytes';
  return meaning === null ? 'its kind is neither text nor a number' : null;
}

const dtypeOf = ({ meaning }: Leaf): SampleField['dtype'] =>
  meaning === 'int64' || meaning === 'float64' ? meaning : 'string';

/** What `datasets` says of a column. */
interface Feature {
  readonly type: string | null;
  readonly names: readonly string[] | null;
}

/** The features that `datasets` leaves in a file's metadata. They are a convenience: what is not as expected is passed over. */
function featuresOf(text: string | undefined): ReadonlyMap<string, Feature> {
  const found = new Map<string, Feature>();
  let features: unknown;
  try {
    features = JSON.parse(text ?? '')?.info?.features;
  } catch {
    return found;
  }
  if (typeof features !== 'object' || features === null) return found;
  for (const [name, feature] of Object.entries(features)) {
    const { _type: type, names } = (feature ?? {}) as { _type?: unknown; names?: unknown };
    const isList = Array.isArray(names) && names.every((entry) => typeof entry === 'string');
    found.set(name, { type: typeof type === 'string' ? type : null, names: isList ? names : null });
  }
  return found;
}

const shown = (names: readonly string[]): string =>
  names.length === 0
    ? 'no columns'
    : names
        .slice(0, 20)
        .map((name) => JSON.stringify(name.slice(0, 80)))
        .join(', ');
