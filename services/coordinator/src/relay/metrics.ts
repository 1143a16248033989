import { Counter, Gauge, type Registry } from 'prom-client';
import type { RelayObserver } from './relay-service.js';

/** The metrics of what is relayed. */
export function observeRelays(registry: Registry): RelayObserver {
  const registers = [registry];
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `cropstream_coordinator_relay_${name}`, help, registers });

  const streams = gauge('streams', 'Chunks that are being relayed from workers to trainers.');
  const waiting = gauge('waiting_streams', 'Chunks to relay whose turn has not come.');
  const held = gauge('held_bytes', 'Bytes of relayed frames that trainers have not taken yet.');
  const bytes = new Counter({
    name: 'cropstream_coordinator_relay_bytes_total',
    help: 'Bytes of relayed frames that trainers have taken.',
    registers,
  });
  const chunks = new Counter({
    name: 'cropstream_coordinator_relay_chunks_total',
    help: 'Relayed calls by how they ended: whole, cut by the trainer, failed on the way to the worker, not found there, refused.',
    labelNames: ['outcome'],
    registers,
  });

  return {
    streams(active, queued) {
      streams.set(active);
      waiting.set(queued);
    },
    held: (more) => held.inc(more),
    sent: (more) => bytes.inc(more),
    ended: (outcome) => chunks.inc({ outcome: outcome.replace('-', '_') }),
  };
}
