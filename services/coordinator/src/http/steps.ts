import {
  BATCH_DIGEST_HEADER,
  type RankQuery,
  ROW_LIMITS,
  type RowsQuery,
  rankQuery,
  rowParams,
  rowsQuery,
  rowViewParams,
  type Step,
  stepParams,
  stepSchema,
} from '@cropstream/api';
import { invalid } from '@cropstream/augment';
import { principalOf } from '@cropstream/runtime/http';
import { checkWorld, locate, rankRange } from '@cropstream/schedule';
import type { OpenRun } from '../open-run.js';
import type { RowRange, StudioRun } from '../studio/calls.js';
import { type ApiContext, BINARY, OPERATORS, type Routes, whileAsked } from './context.js';
import { Downloads } from './downloads.js';
import { runOf } from './whose.js';

const tags = ['steps'];
/** A batch never changes, but another run may be opened under its name. */
const CACHED = 'private, max-age=60';

const picture = (type: string, description: string) => ({
  200: { description, content: { [type]: { schema: BINARY } } },
});

export const stepRoutes: Routes = (app, context) => {
  const { studio, limits } = context;
  const downloads = new Downloads(limits.batchDownloads);

  app.get(
    '/runs/:name/steps/:step',
    {
      config: OPERATORS,
      schema: {
        tags,
        summary: 'What a batch is: its rows, how each view was made, and their pictures',
        params: stepParams,
        querystring: rowsQuery,
        response: { 200: stepSchema },
      },
    },
    async (request, reply): Promise<Step> => {
      const { params, query } = request;
      const { run } = await runOf(context, principalOf(request), params.name, query.owner);
      if (query.pictures && query.rows > ROW_LIMITS.pictures) {
        throw invalid('rows', query.rows, `${ROW_LIMITS.pictures} at most with pictures`);
      }
      const range = rangeOf(params.step, query);
      const rows = await studio.use('a look at a batch', whileAsked(reply), ({ rows: describe }) =>
        describe(studioRun(context, run), range, query.pictures),
      );
      return { ...stepOf(run, range), rows };
    },
  );

  app.get(
    '/runs/:name/steps/:step/sheet.png',
    {
      config: OPERATORS,
      schema: {
        tags,
        summary: 'A contact sheet of a batch: a column a row, a line a view',
        params: stepParams,
        querystring: rowsQuery,
        response: picture('image/png', 'The sheet.'),
      },
    },
    async (request, reply) => {
      const { params, query } = request;
      const { run } = await runOf(context, principalOf(request), params.name, query.owner);
      const rows = Math.min(query.rows, ROW_LIMITS.pictures);
      const png = await studio.use('a contact sheet', whileAsked(reply), ({ sheet }) =>
        sheet(studioRun(context, run), { ...rangeOf(params.step, query), rows }),
      );
      return reply.type('image/png').header('cache-control', CACHED).send(Buffer.from(png));
    },
  );

  for (const format of ['jpg', 'png'] as const) {
    const type = format === 'jpg' ? 'image/jpeg' : 'image/png';
    app.get(
      `/runs/:name/steps/:step/rows/:row/source.${format}`,
      {
        config: OPERATORS,
        schema: {
          tags,
          summary: `The source image of a row, as views are cropped from it, as ${format.toUpperCase()}`,
          params: rowParams,
          querystring: rankQuery,
          response: picture(type, 'The image.'),
        },
      },
      async (request, reply) => {
        const { params, query } = request;
        const { run } = await runOf(context, principalOf(request), params.name, query.owner);
        const image = await studio.use('a source image', whileAsked(reply), ({ source }) =>
          source(studioRun(context, run), oneRow(params, query), format),
        );
        return reply.type(type).header('cache-control', CACHED).send(Buffer.from(image));
      },
    );
  }

  app.get(
    '/runs/:name/steps/:step/rows/:row/views/:view.png',
    {
      config: OPERATORS,
      schema: {
        tags,
        summary: 'A view of a row, its pixels as delivered (before `normalize`)',
        params: rowViewParams,
        querystring: rankQuery,
        response: picture('image/png', 'The view.'),
      },
    },
    async (request, reply) => {
      const { params, query } = request;
      const { run } = await runOf(context, principalOf(request), params.name, query.owner);
      const image = await studio.use('a view', whileAsked(reply), ({ view }) =>
        view(studioRun(context, run), oneRow(params, query), params.view),
      );
      return reply.type('image/png').header('cache-control', CACHED).send(Buffer.from(image));
    },
  );

  app.get(
    '/runs/:name/steps/:step/batch',
    {
      config: OPERATORS,
      schema: {
        tags,
        summary: `A batch replayed, bit for bit, as NumPy's .npz; its digest in the header ${BATCH_DIGEST_HEADER}`,
        params: stepParams,
        querystring: rankQuery,
        response: picture('application/zip', 'Tensors by view, `_indices`, `labels` and fields.'),
      },
    },
    async (request, reply) => {
      const { params, query } = request;
      const { run } = await runOf(context, principalOf(request), params.name, query.owner);
      const { rank, world: worldSize } = query;
      const release = downloads.begin();
      reply.raw.once('close', release);
      try {
        const { digest, bytes, pieces } = await studio.use(
          'a replayed batch',
          whileAsked(reply),
          async (calls) => {
            const made = await calls.batch(studioRun(context, run), { step: params.step, rank, worldSize });
            // Taken at once, so that a slow reader holds nobody else up.
            const pieces: Uint8Array[] = [];
            for (let piece = await calls.batchPiece(); piece !== null; piece = await calls.batchPiece()) {
              pieces.push(piece);
            }
            return { ...made, pieces };
          },
        );
        const name = `${params.name}-step-${params.step}-rank-${rank}-of-${worldSize}.npz`;
        return reply
          .type('application/zip')
          .header(BATCH_DIGEST_HEADER, digest)
          .header('content-length', bytes)
          .header('content-disposition', `attachment; filename="${name}"`)
          .send(downloads.streamOf(pieces));
      } catch (error) {
        release();
        throw error;
      }
    },
  );
};

export const studioRun = ({ access }: ApiContext, run: OpenRun): StudioRun => ({
  digest: run.digest,
  manifestDigest: run.info.manifestDigest,
  specJson: run.info.specJson,
  url: run.url,
  roots: access.limitsOf(run.owner).roots,
});

const rangeOf = (step: number, { rank, world, first_row, rows }: RowsQuery): RowRange => ({
  ...{ step, rank, worldSize: world, firstRow: first_row, rows },
});

const oneRow = (
  { step, row }: { readonly step: number; readonly row: number },
  { rank, world }: RankQuery,
) => ({
  ...{ step, rank, worldSize: world, firstRow: row, rows: 1 },
});

function stepOf(
  { name, digest, plan, info }: OpenRun,
  { step, rank, worldSize }: RowRange,
): Omit<Step, 'rows'> {
  checkWorld(plan, { rank, worldSize, allowUneven: true });
  const at = locate(plan, step);
  const slice = rankRange(plan, at.step, rank, worldSize);
  return {
    run: name,
    run_digest: digest,
    step,
    epoch: at.epoch,
    step_in_epoch: at.step,
    rank,
    world_size: worldSize,
    samples: slice.last - slice.first,
    views: info.views.map((view) => ({ ...view, shape: [...view.shape] })),
  };
}
