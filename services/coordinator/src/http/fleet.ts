import {
  ownerQuery,
  pageQuery,
  pageOf as pageSchema,
  type Status,
  statusSchema,
  workerSchema,
} from '@cropstream/api';
import { type AttachmentRecord, runKeyOf, type WorkerRecord } from '@cropstream/broker';
import { type Principal, VERSION } from '@cropstream/runtime';
import { principalOf } from '@cropstream/runtime/http';
import type { ApiContext, Routes } from './context.js';
import { isoTime, workerResource } from './describe.js';
import { pageOf } from './pages.js';
import { ownerAsked, type RunInView, runsOf } from './whose.js';

const tags = ['fleet'];

export const fleetRoutes: Routes = (app, context) => {
  const { store } = context;
  app.get(
    '/workers',
    {
      schema: {
        tags,
        summary: 'Workers that live',
        querystring: pageQuery,
        response: { 200: pageSchema(workerSchema) },
      },
    },
    async (request) => {
      const runs = await runsOf(context, ownerAsked(principalOf(request), undefined));
      const keys = new Set(runs.map(({ run }) => run.key));
      const page = pageOf(await store.workers(), ({ id }) => id, request.query);
      return { ...page, items: page.items.map((worker) => workerResource(worker, keys)) };
    },
  );
  app.get(
    '/status',
    {
      schema: {
        tags,
        summary: 'The fleet at a glance, and who you are',
        querystring: ownerQuery,
        response: { 200: statusSchema },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const [runs, fleet] = await Promise.all([
        runsOf(context, ownerAsked(principal, request.query.owner)),
        fleetNow(context),
      ]);
      return statusOf(context, principal, runs, fleet);
    },
  );
};

/** What is asked of store and queue once, whoever is to be told. */
export interface FleetNow {
  readonly workers: readonly WorkerRecord[];
  readonly attachments: readonly AttachmentRecord[];
  readonly queue: { readonly waiting: number; readonly active: number };
}

export async function fleetNow({ store, broker }: ApiContext): Promise<FleetNow> {
  const [workers, runs] = await Promise.all([store.workers(), store.runs()]);
  const keys = new Set(runs.map(runKeyOf));
  const queues = new Set([...runs, ...workers].map(({ fingerprint }) => fingerprint));
  const [attachments, counts] = await Promise.all([
    Promise.all([...keys].map((key) => store.attachments(key))),
    Promise.all([...queues].map((queue) => broker.counts(queue))),
  ]);
  const sum = (of: 'waiting' | 'active') => counts.reduce((total, count) => total + count[of], 0);
  return {
    workers,
    attachments: attachments.flat(),
    queue: { waiting: sum('waiting'), active: sum('active') },
  };
}

/** @param runs that the principal may see */
export function statusOf(
  { id, access, clock, desiredWorkers }: ApiContext,
  { name, owner, role }: Principal,
  runs: readonly RunInView[],
  { workers, attachments, queue }: FleetNow,
): Status {
  const seen = new Set(runs.map(({ run }) => `${run.key} ${run.name}`));
  const own = attachments.filter(({ runKey, runName }) => seen.has(`${runKey} ${runName}`));
  const fingerprints = new Map<string, number>();
  for (const { fingerprint } of workers) {
    fingerprints.set(fingerprint, (fingerprints.get(fingerprint) ?? 0) + 1);
  }
  const total = (of: (worker: WorkerRecord) => number) =>
    workers.reduce((sum, worker) => sum + of(worker), 0);
  return {
    at: isoTime(clock.wall()),
    version: VERSION,
    coordinator: id,
    coordinators: [...new Set([id, ...attachments.map(({ coordinator }) => coordinator)])].sort(),
    secured: access.secured,
    principal: { name, owner, role },
    runs: runs.length,
    attachments: own.length,
    workers: workers.length,
    slots: total(({ slots }) => slots),
    desired_workers: desiredWorkers(),
    queue: { ...queue },
    outbox: { bytes: total((w) => w.outboxBytes), limit_bytes: total((w) => w.outboxLimit) },
    fingerprints: [...fingerprints].map(([fingerprint, count]) => ({ fingerprint, workers: count })),
  };
}
