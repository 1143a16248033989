import {
  openedRunSchema,
  ownerQuery,
  pageOf as pageSchema,
  rankSchema,
  runDetailSchema,
  runParams,
  runSchema,
  runsQuery,
  specBody,
} from '@cropstream/api';
import { WAKE_COORDINATORS } from '@cropstream/broker';
import { failure } from '@cropstream/errors';
import { ownerFor } from '@cropstream/runtime';
import { principalOf } from '@cropstream/runtime/http';
import { z } from 'zod';
import { DRAWING, OPERATORS, type Routes } from './context.js';
import { progressOf, rankKey, ranksOf, runDetail, runResource } from './describe.js';
import { pageOf } from './pages.js';
import { ownerAsked, type RunInView, runOf, runsOf } from './whose.js';

const tags = ['runs'];

export const runRoutes: Routes = (app, context) => {
  const { store, catalog } = context;

  app.get(
    '/runs',
    {
      config: DRAWING,
      schema: {
        tags,
        summary: 'Open runs',
        querystring: runsQuery,
        response: { 200: pageSchema(runSchema) },
      },
    },
    async (request) => {
      const owner = ownerAsked(principalOf(request), request.query.owner);
      const page = pageOf(await runsOf(context, owner), runKey, request.query);
      const items = page.items.map(async (seen) => runResource(seen, await progressOf(store, seen)));
      return { ...page, items: await Promise.all(items) };
    },
  );

  app.post(
    '/runs',
    {
      config: DRAWING,
      schema: {
        tags,
        summary: 'Open a run from a spec, or find it open already',
        querystring: ownerQuery,
        body: specBody,
        response: { 200: openedRunSchema, 201: openedRunSchema },
      },
    },
    async (request, reply) => {
      const owner = ownerFor(principalOf(request), request.query.owner);
      const { run, created, notices } = await catalog.open(owner, request.body);
      const seen = await runOf(context, principalOf(request), run.name, owner);
      const detail = runDetail(seen, await progressOf(store, seen));
      return reply.code(created ? 201 : 200).send({ ...detail, created, notices: [...notices] });
    },
  );

  app.get(
    '/runs/:name',
    {
      config: DRAWING,
      schema: {
        tags,
        summary: 'A run with its spec',
        params: runParams,
        querystring: ownerQuery,
        response: { 200: runDetailSchema },
      },
    },
    async (request) => {
      const seen = await runOf(context, principalOf(request), request.params.name, request.query.owner);
      return runDetail(seen, await progressOf(store, seen));
    },
  );

  app.delete(
    '/runs/:name',
    {
      config: OPERATORS,
      schema: {
        tags,
        summary: 'Close a run for good: its trainers end with RUN_CLOSED',
        params: runParams,
        querystring: ownerQuery,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const { record } = await runOf(context, principalOf(request), request.params.name, request.query.owner);
      await store.closeRun(record.owner, record.name);
      await store.wake(WAKE_COORDINATORS);
      return reply.code(204).send();
    },
  );

  for (const [verb, state, summary] of [
    ['pause', 'paused', 'Make nothing more of a run; its trainers wait'],
    ['resume', 'active', 'Let a paused run go on'],
  ] as const) {
    app.post(
      `/runs/:name/${verb}`,
      {
        config: OPERATORS,
        schema: {
          tags,
          summary,
          params: runParams,
          querystring: ownerQuery,
          response: { 200: runSchema },
        },
      },
      async (request) => {
        const { name } = request.params;
        const seen = await runOf(context, principalOf(request), name, request.query.owner);
        const record = await store.setRunState(seen.record.owner, name, state);
        if (record === null) throw failure('RUN_NOT_FOUND', { run: name, known: 'it was closed just now' });
        await store.wake(WAKE_COORDINATORS);
        return runResource({ ...seen, record }, await progressOf(store, seen));
      },
    );
  }

  app.get(
    '/runs/:name/ranks',
    {
      config: DRAWING,
      schema: {
        tags,
        summary: 'Attached ranks and how far they are',
        params: runParams,
        querystring: runsQuery,
        response: { 200: pageSchema(rankSchema) },
      },
    },
    async (request) => {
      const seen = await runOf(context, principalOf(request), request.params.name, request.query.owner);
      return pageOf(ranksOf(seen, await progressOf(store, seen)), rankKey, request.query);
    },
  );
};

const runKey = ({ record }: RunInView) => `${record.owner} ${record.name}`;
