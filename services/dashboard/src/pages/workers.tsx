import type { FleetEvent, Worker } from '@cropstream/api';
import {
  formatBytes,
  formatCompact,
  formatCount,
  formatRate,
  formatShare,
  plural,
  shortDigest,
} from '../format.js';
import { Badge } from '../parts/badge.js';
import { CopyButton } from '../parts/copy.js';
import { Meter } from '../parts/meter.js';
import { Empty, Loading } from '../parts/states.js';
import { Table } from '../parts/table.js';
import { fleet, rates } from '../state/live.js';

export function WorkersPage() {
  const snapshot = fleet.value;
  return (
    <>
      <div class="page-head">
        <div>
          <h1>Workers</h1>
          {snapshot !== null && <Facts snapshot={snapshot} />}
        </div>
      </div>
      <section class="panel">
        {snapshot === null ? (
          <Loading what="the workers" lines={4} />
        ) : snapshot.workers.length === 0 ? (
          <Empty title="No worker is there">
            <p>
              Nothing is made until one comes: start <code>cropstream worker</code> with the coordinator's
              Redis. One that died is gone from here after a second and a half.
            </p>
          </Empty>
        ) : (
          <Workers snapshot={snapshot} />
        )}
      </section>
    </>
  );
}

function Facts({ snapshot: { status } }: { snapshot: FleetEvent }) {
  const kinds = status.fingerprints.length;
  return (
    <p class="facts">
      <span>{plural(status.workers, 'worker')}</span>
      <span>{plural(status.slots, 'thread')}</span>
      <span>
        {kinds <= 1 ? 'one pixel fingerprint' : <Badge tone="warn">{kinds} pixel fingerprints</Badge>}
      </span>
    </p>
  );
}

function Workers({ snapshot: { workers, runs } }: { snapshot: FleetEvent }) {
  return (
    <>
      <header>
        <h2 id="workers">
          {plural(workers.length, 'worker')}{' '}
          <span class="muted small">cells of one process are listed each</span>
        </h2>
      </header>
      <Table
        labelledBy="workers"
        columns={[
          'Worker',
          'Fingerprint',
          { number: 'Images/s' },
          'Busy',
          { number: 'Threads' },
          'Outbox',
          { number: 'Images made' },
          'Version',
        ]}
      >
        {workers.map((worker) => (
          <WorkerRow
            key={worker.id}
            worker={worker}
            serves={runs.filter((run) => run.fingerprint === worker.fingerprint).length}
          />
        ))}
      </Table>
    </>
  );
}

/** @param serves runs in sight that it makes chunks of */
function WorkerRow({ worker, serves }: { worker: Worker; serves: number }) {
  const rate = rates.value?.byWorker.get(worker.id);
  const used = worker.outbox_limit_bytes === 0 ? 0 : worker.outbox_bytes / worker.outbox_limit_bytes;
  return (
    <tr>
      <th scope="row">
        <div>
          {worker.address}
          <div class="note muted small mono" title={worker.id}>
            {shortDigest(worker.id)}
            {worker.tls_name !== '' && ` · ${worker.tls_name}`}
          </div>
        </div>
      </th>
      <td data-label="Fingerprint">
        <span class="with-copy">
          <code title={worker.fingerprint}>{shortDigest(worker.fingerprint)}</code>
          <CopyButton text={worker.fingerprint} what="the fingerprint" />
          <span class="note">{plural(serves, 'run')}</span>
        </span>
      </td>
      <td class="number" data-label="Images/s">
        {rate === undefined ? '–' : formatRate(rate.images)}
      </td>
      <td data-label="Busy">
        {rate === undefined ? (
          '–'
        ) : (
          <span class="wait">
            <Meter share={rate.busy} />
            <span class="small">{formatShare(rate.busy)}</span>
          </span>
        )}
      </td>
      <td class="number" data-label="Threads">
        {formatCount(worker.slots)}
      </td>
      <td data-label="Outbox">
        <span class="wait">
          <Meter share={used} />
          <span class="small nowrap">
            {formatBytes(worker.outbox_bytes)} of {formatBytes(worker.outbox_limit_bytes)}
          </span>
        </span>
      </td>
      <td class="number" data-label="Images made">
        {formatCompact(worker.samples_total)}
      </td>
      <td data-label="Version">{worker.version || '–'}</td>
    </tr>
  );
}
