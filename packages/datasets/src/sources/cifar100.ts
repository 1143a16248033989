import * as z from 'zod';
import type { FileSource } from '../source.js';
import { type CifarLabel, cifarSource } from './cifar.js';
import { datasetUrl, subset } from './common.js';

const NAME = 'cifar100';

export const cifar100Schema = z.strictObject({
  source: z.literal(NAME),
  /** The folder of the binary version's files, or the one above it. */
  url: datasetUrl,
  split: z.enum(['train', 'test']).default('train'),
  /** Which of the two labels is the sample's: one of 100 classes, or of their 20 superclasses. */
  labels: z.enum(['fine', 'coarse']).default('fine'),
  subset,
});

type Config = z.infer<typeof cifar100Schema>;

const label = (kind: Config['labels']): CifarLabel => ({
  field: `${kind}_label`,
  classesFile: `${kind}_label_names.txt`,
  usualClasses: null,
});
const LABELS = { coarse: label('coarse'), fine: label('fine') };

/** CIFAR-100: the label that is not the sample's is its field `coarse_label` or `fine_label`. */
export const cifar100: FileSource<Config> = cifarSource(
  { name: NAME, schema: cifar100Schema },
  {
    archive: 'cifar-100',
    folder: 'cifar-100-binary',
    files: { train: ['train.bin'], test: ['test.bin'] },
    pythonFile: 'meta',
    labels: [LABELS.coarse, LABELS.fine],
  },
  (config) => LABELS[config.labels],
);
