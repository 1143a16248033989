import * as z from 'zod';
import type { FileSource } from '../source.js';
import { type CifarLabel, cifarSource } from './cifar.js';
import { datasetUrl, subset } from './common.js';

const NAME = 'cifar10';

export const cifar10Schema = z.strictObject({
  source: z.literal(NAME),
  /** The folder of the binary version's files, or the one above it. */
  url: datasetUrl,
  split: z.enum(['train', 'test']).default('train'),
  subset,
});

type Config = z.infer<typeof cifar10Schema>;

const LABEL: CifarLabel = {
  field: 'label',
  classesFile: 'batches.meta.txt',
  usualClasses: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
};

export const cifar10: FileSource<Config> = cifarSource(
  { name: NAME, schema: cifar10Schema },
  {
    archive: 'cifar-10',
    folder: 'cifar-10-batches-bin',
    files: {
      train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`),
      test: ['test_batch.bin'],
    },
    pythonFile: 'data_batch_1',
    labels: [LABEL],
  },
  () => LABEL,
);
