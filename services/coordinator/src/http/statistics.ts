import { runParams, statisticsQuery, statisticsSchema } from '@cropstream/api';
import { principalOf } from '@cropstream/runtime/http';
import { OPERATORS, type Routes, whileAsked } from './context.js';
import { studioRun } from './steps.js';
import { runOf } from './whose.js';

export const statisticsRoutes: Routes = (app, context) => {
  app.get(
    '/runs/:name/statistics',
    {
      config: OPERATORS,
      schema: {
        tags: ['statistics'],
        summary: 'Scale, ratio and position of drawn boxes against the configured ranges',
        params: runParams,
        querystring: statisticsQuery,
        response: { 200: statisticsSchema },
      },
    },
    async (request, reply) => {
      const { params, query } = request;
      const { run } = await runOf(context, principalOf(request), params.name, query.owner);
      return context.studio.use('statistics', whileAsked(reply), ({ statistics }) =>
        statistics(studioRun(context, run), query.samples),
      );
    },
  );
};
