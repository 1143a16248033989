/**
 * The kinds of datasets. A new one is a file in this folder, imported and listed here; nothing else
 * names a source. No I/O here.
 */
import * as z from 'zod';
import type { DatasetSource } from '../source.js';
import { cifar10, cifar10Schema } from './cifar10.js';
import { cifar100, cifar100Schema } from './cifar100.js';
import { imageFolder, imageFolderSchema } from './image-folder.js';
import { litdata, litdataSchema } from './litdata.js';
import { mixSchemaOf } from './mix.js';
import { webdataset, webdatasetSchema } from './webdataset.js';

const singleSchemas = [
  imageFolderSchema,
  cifar10Schema,
  cifar100Schema,
  litdataSchema,
  webdatasetSchema,
] as const;
const mixSchema = mixSchemaOf(singleSchemas);

/** The `dataset:` part of a run spec. */
export const datasetSchema = z.discriminatedUnion('source', [...singleSchemas, mixSchema], {
  error: ({ input }) =>
    typeof input === 'object' && input !== null
      ? undefined
      : 'a mapping, such as { source: image-folder, url: /data/train }',
});

export type DatasetConfig = z.infer<typeof datasetSchema>;
/** As a user may write it: fields with defaults may be absent. */
export type DatasetConfigInput = z.input<typeof datasetSchema>;
/** Any but a mix. */
export type SingleDatasetConfig = z.infer<(typeof singleSchemas)[number]>;
/** Several datasets drawn from as one. */
export type MixConfig = z.infer<typeof mixSchema>;

/** Every source by its name; a mix is none. */
export const SOURCES: Readonly<Record<string, DatasetSource>> = Object.fromEntries(
  [imageFolder, cifar10, cifar100, litdata, webdataset].map((source) => [source.name, source]),
);
