import { z } from 'zod';
import { specBody, viewShapeSchema } from './runs.js';
import { rowSchema } from './steps.js';

/** Images that a preview shows, and how many where nothing is said. */
export const PREVIEW_LIMITS = { most: 16, usual: 4 } as const;

/** What a trainer would get of a spec. Nothing is opened by it. */
export const previewBody = z
  .strictObject({
    spec: specBody,
    epoch: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
    pictures: z.boolean().default(false).describe('With the pictures of each row, in JSON.'),
    images: z.int().min(1).max(PREVIEW_LIMITS.most).default(PREVIEW_LIMITS.usual),
  })
  .meta({ id: 'PreviewRequest' });
export type PreviewRequest = z.input<typeof previewBody>;

/** The answer to `Accept: application/json`; to `image/png` it is the sheet of the same rows. */
export const previewSchema = z
  .object({
    spec: z.record(z.string(), z.unknown()).describe('Resolved.'),
    samples: z.number().describe('Of the dataset.'),
    views: z.array(viewShapeSchema),
    rows: z.array(rowSchema),
    notices: z.array(z.string()),
  })
  .meta({ id: 'Preview' });
export type Preview = z.output<typeof previewSchema>;
