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
import { parquet, parquetSchema } from './parquet.js';
import { webdataset, webdatasetSchema } from './webdataset.js';

const singleSchemas = [
  imageFolderSchema,
  cifar10Schema,
  cifar100Schema,
  litdataSchema,
  webdatasetSchema,
  parquetSchema,
] as const;
const mixSchema = mixSchemaOf(singleSchemas);

/** A spec without a dataset is told what one is; one of a source that there is not, what sources there are. */
const errorFor =
  (schemas: readonly z.ZodObject[]): z.core.$ZodErrorMap =>
  ({ input }) => {
    if (typeof input !== 'object' || input === null) {
      return 'a mapping, such as { source: image-folder, url: /data/train }';
    }
    const names = schemas.flatMap(({ shape }) => [...(shape.source as z.ZodLiteral<string>).values]);
    return `one of ${names.join(', ')}; others are registered where the service starts (--source-module)`;
  };

/** The `dataset:` part of a run spec. */
export const datasetSchema = z.discriminatedUnion('source', [...singleSchemas, mixSchema], {
  error: errorFor([...singleSchemas, mixSchema]),
});

export type DatasetConfig = z.infer<typeof datasetSchema>;
/** As a user may write it: fields with defaults may be absent. */
export type DatasetConfigInput = z.input<typeof datasetSchema>;
/** Any but a mix. */
export type SingleDatasetConfig = z.infer<(typeof singleSchemas)[number]>;
/** Several datasets drawn from as one. */
export type MixConfig = z.infer<typeof mixSchema>;

/**
 * The `dataset:` part of a run spec where there are other sources, too: beside those built in, and in mixes. Their configs
 * have the fields of a `SourceConfig`, and others that only they know.
 */
export function datasetSchemaWith(others: readonly z.ZodObject[]): typeof datasetSchema {
  if (others.length === 0) return datasetSchema;
  const schemas = [...singleSchemas, ...others] as unknown as typeof singleSchemas;
  const mix = mixSchemaOf(schemas);
  return z.discriminatedUnion('source', [...schemas, mix], { error: errorFor([...schemas, mix]) });
}

/** Every built-in source by its name; a mix is none. */
export const SOURCES: Readonly<Record<string, DatasetSource>> = Object.fromEntries(
  [imageFolder, cifar10, cifar100, litdata, webdataset, parquet].map((source) => [source.name, source]),
);
