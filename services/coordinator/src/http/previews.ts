import { ownerQuery, previewBody, previewSchema } from '@cropstream/api';
import { Roots, requireUrls } from '@cropstream/datasets';
import { ownerFor } from '@cropstream/runtime';
import { principalOf } from '@cropstream/runtime/http';
import { parseSpec } from '@cropstream/spec';
import type { PreviewedSpec } from '../studio/calls.js';
import { BINARY, OPERATORS, type Routes, whileAsked } from './context.js';
import { ownerAsked, runsOf } from './whose.js';

const PNG = 'image/png';

export const previewRoutes: Routes = (app, context) => {
  const { studio, transforms, sources, access } = context;
  app.post(
    '/previews',
    {
      config: OPERATORS,
      schema: {
        tags: ['previews'],
        summary:
          'What a trainer would get of a spec, as rows (JSON) or as a contact sheet (`Accept: image/png`)',
        querystring: ownerQuery,
        body: previewBody,
        response: {
          200: {
            description: 'The first samples of the epoch.',
            content: {
              'application/json': { schema: previewSchema },
              [PNG]: { schema: BINARY },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { spec: input, epoch, images, pictures } = request.body;
      // All of it is checked before its dataset is looked at.
      const { dataset } = parseSpec(input, { transforms, sources, samples: 1 });
      const principal = principalOf(request);
      const { roots } = access.limitsOf(ownerFor(principal, request.query.owner));
      await requireUrls(dataset, new Roots(roots));
      const wanted = JSON.stringify(dataset);
      const runs = await runsOf(context, ownerAsked(principal, request.query.owner));
      const known = runs.find(({ run }) => JSON.stringify(run.spec.dataset) === wanted);
      const spec: PreviewedSpec = {
        ...{ input, epoch, images },
        manifestDigest: known?.record.manifestDigest ?? null,
        roots,
      };
      if (request.headers.accept?.includes(PNG)) {
        const sheet = await studio.use('a preview', whileAsked(reply), (calls) => calls.previewSheet(spec));
        return reply.type(PNG).send(Buffer.from(sheet));
      }
      const preview = await studio.use('a preview', whileAsked(reply), (calls) =>
        calls.preview(spec, pictures),
      );
      return reply.type('application/json').send(preview);
    },
  );
};
