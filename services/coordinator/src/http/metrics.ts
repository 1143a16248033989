import { Counter, Gauge } from 'prom-client';
import type { ApiContext } from './context.js';
import type { EventHub } from './event-hub.js';

/** What the HTTP API does, as metrics. */
export function observeApi({ registry, studio }: ApiContext, hub: EventHub): void {
  const registers = [registry];
  new Gauge({
    name: 'cropstream_coordinator_event_streams',
    help: 'Readers of /api/v1/events.',
    registers,
    collect() {
      this.set(hub.subscribers);
    },
  });
  new Counter({
    name: 'cropstream_coordinator_event_streams_dropped_total',
    help: 'Readers of /api/v1/events that were dropped because they did not read.',
    registers,
    collect() {
      this.reset();
      this.inc(hub.dropped);
    },
  });
  new Gauge({
    name: 'cropstream_coordinator_previews_waiting',
    help: 'Requests for previews, replayed batches and statistics that wait for their turn.',
    registers,
    collect() {
      this.set(studio.waiting);
    },
  });
  new Counter({
    name: 'cropstream_coordinator_previews_total',
    help: 'Requests for previews, replayed batches and statistics, by how they ended.',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset();
      for (const [outcome, count] of Object.entries(studio.counts)) this.inc({ outcome }, count);
    },
  });
}
