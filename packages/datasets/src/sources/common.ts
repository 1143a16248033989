import * as z from 'zod';
import type { SampleField } from '../manifests/manifest.js';

/** Schema fields that every source has. */
export const datasetUrl = z.string({ error: 'a folder or a URL (on the command line: --data)' }).min(1);

const sampleId = z.int().min(0);

/** A file of sample ids, or the ids themselves. */
export const subset = z.union([z.string().min(1), z.array(sampleId).min(1)]).optional();

/** Names of classes by label, where the data has none or others. */
export const classNames = z.array(z.string().min(1)).min(1).optional();

/** The field that every source's samples have. */
export const PATH_FIELD: SampleField = { name: 'path', dtype: 'string' };
