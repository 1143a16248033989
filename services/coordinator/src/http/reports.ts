import {
  type Page,
  type PageQuery,
  pageOf as pageSchema,
  type RunError,
  runErrorSchema,
  runParams,
  runsQuery,
  type Substitution,
  substitutionSchema,
} from '@cropstream/api';
import {
  type FailureReport,
  parseChunkName,
  type ReportKind,
  type RunReports,
  type SubstitutionReport,
} from '@cropstream/broker';
import { CropstreamError } from '@cropstream/errors';
import { principalOf } from '@cropstream/runtime/http';
import { globalStep } from '@cropstream/schedule';
import type { OpenRun } from '../open-run.js';
import { type ApiContext, DRAWING, type Routes } from './context.js';
import { isoTime } from './describe.js';
import { encodeCursor, numberCursor } from './pages.js';
import { runOf } from './whose.js';

const tags = ['reports'];

export const reportRoutes: Routes = (app, context) => {
  const querystring = runsQuery;
  app.get(
    '/runs/:name/substitutions',
    {
      config: DRAWING,
      schema: {
        tags,
        summary: 'Bad samples that others stood in for, newest first',
        params: runParams,
        querystring,
        response: { 200: pageSchema(substitutionSchema) },
      },
    },
    async (request) => {
      const { run } = await runOf(context, principalOf(request), request.params.name, request.query.owner);
      return reported(context, run, 'substitutions', request.query, (report) => substitution(run, report));
    },
  );
  app.get(
    '/runs/:name/errors',
    {
      config: DRAWING,
      schema: {
        tags,
        summary: 'Chunks that failed for good, newest first',
        params: runParams,
        querystring,
        response: { 200: pageSchema(runErrorSchema) },
      },
    },
    async (request) => {
      const { run } = await runOf(context, principalOf(request), request.params.name, request.query.owner);
      return reported(context, run, 'failures', request.query, (report) => runError(run, report));
    },
  );
};

async function reported<Kind extends ReportKind, Resource>(
  { store }: ApiContext,
  { key }: OpenRun,
  kind: Kind,
  { limit, cursor }: PageQuery,
  describe: (report: RunReports[Kind]) => Resource,
): Promise<Page<Resource>> {
  const { reports } = await store.reports(key, kind, { before: numberCursor(cursor), most: limit });
  const last = reports.at(-1)?.number ?? 1;
  return {
    items: reports.map(({ report }) => describe(report)),
    next_cursor: reports.length === limit && last > 1 ? encodeCursor(String(last)) : null,
  };
}

function substitution(run: OpenRun, report: SubstitutionReport): Substitution {
  const { at, epoch, position, originalIndex, deliveredIndex, path, code, reason } = report;
  return {
    at: isoTime(at),
    ...{ epoch, position, step: stepAt(run, epoch, position) },
    ...{ original_index: originalIndex, delivered_index: deliveredIndex },
    ...{ path, code, reason },
  };
}

function runError(run: OpenRun, { at, chunk, errorJson }: FailureReport): RunError {
  const { epoch, first, last } = parseChunkName(chunk);
  const { code, problem, help } = CropstreamError.fromWire(JSON.parse(errorJson));
  return { at: isoTime(at), epoch, first, last, step: stepAt(run, epoch, first), code, problem, help };
}

/** The global step that a position of an epoch is in. */
function stepAt({ plan, spec }: OpenRun, epoch: number, position: number): number {
  return globalStep(plan, { epoch, step: Math.floor(position / spec.global_batch_size) });
}
