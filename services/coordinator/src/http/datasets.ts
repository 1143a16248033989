import {
  type Dataset,
  datasetDetailSchema,
  datasetParams,
  datasetQuery,
  datasetSchema,
  pageOf as pageSchema,
  runsQuery,
} from '@cropstream/api';
import { failure } from '@cropstream/errors';
import { principalOf } from '@cropstream/runtime/http';
import { DRAWING, type Routes, whileAsked } from './context.js';
import { encodeCursor, numberCursor, pageOf } from './pages.js';
import { ownerAsked, type RunInView, runsOf } from './whose.js';

const tags = ['datasets'];

export const datasetRoutes: Routes = (app, context) => {
  app.get(
    '/datasets',
    {
      config: DRAWING,
      schema: {
        tags,
        summary: 'Datasets of open runs',
        querystring: runsQuery,
        response: { 200: pageSchema(datasetSchema) },
      },
    },
    async (request) => {
      const owner = ownerAsked(principalOf(request), request.query.owner);
      const datasets = datasetsOf(await runsOf(context, owner));
      return pageOf([...datasets.values()], ({ digest }) => digest, request.query);
    },
  );
  app.get(
    '/datasets/:digest',
    {
      config: DRAWING,
      schema: {
        tags,
        summary: 'A dataset, and a page of its samples in the order of its manifest',
        params: datasetParams,
        querystring: datasetQuery,
        response: { 200: datasetDetailSchema },
      },
    },
    async (request, reply) => {
      const { digest } = request.params;
      const { limit, cursor } = request.query;
      const runs = await runsOf(context, ownerAsked(principalOf(request), undefined));
      const dataset = datasetsOf(runs).get(digest);
      const first = numberCursor(cursor) ?? 0;
      const run = runs.find(({ record }) => record.manifestDigest === digest)?.run;
      if (dataset === undefined || run === undefined) throw failure('MANIFEST_NOT_FOUND', { digest });
      const items = await context.studio.use('a page of a manifest', whileAsked(reply), ({ samples }) =>
        samples(digest, first, limit),
      );
      const end = first + items.length;
      return {
        ...dataset,
        class_names: [...run.info.classes],
        items,
        next_cursor: end < dataset.samples ? encodeCursor(String(end)) : null,
      };
    },
  );
};

/** By digest of the manifest. */
function datasetsOf(runs: readonly RunInView[]): Map<string, Dataset> {
  const datasets = new Map<string, Dataset>();
  for (const { run, record } of runs) {
    const known = datasets.get(record.manifestDigest);
    if (known) known.runs.push(record.name);
    else datasets.set(record.manifestDigest, datasetOf({ run, record }));
  }
  return datasets;
}

function datasetOf({ run, record }: RunInView): Dataset {
  const { facts, spec, url } = run;
  return {
    digest: record.manifestDigest,
    source: spec.dataset.source,
    url,
    samples: facts.samples,
    classes: facts.classes.length,
    fields: facts.fields.map(({ name, dtype }) => ({ name, dtype })),
    runs: [record.name],
  };
}
