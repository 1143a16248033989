import type { FleetEvent, Run, Status } from '@cropstream/api';
import { useState } from 'preact/hooks';
import { Throughput } from '../charts/throughput.js';
import { formatBytes, formatCompact, formatCount, formatRate, formatShare, plural } from '../format.js';
import { Badge } from '../parts/badge.js';
import { Segments } from '../parts/field.js';
import { Icon } from '../parts/icons.js';
import { Meter } from '../parts/meter.js';
import { Progress, StateBadge, WaitShare } from '../parts/run-facts.js';
import { Empty, Loading } from '../parts/states.js';
import { Table } from '../parts/table.js';
import { COMPOSE, runHash } from '../routes.js';
import { eventOf, fleet, ownerBeside, rates, runTimeline, waits, workerTimeline } from '../state/live.js';

export function FleetPage() {
  const snapshot = fleet.value;
  return (
    <>
      <div class="page-head">
        <div>
          <h1>Fleet</h1>
          {snapshot !== null && <Facts status={snapshot.status} />}
        </div>
        <div class="actions">
          <a class="button primary" href={COMPOSE}>
            <Icon name="plus" />
            New run
          </a>
        </div>
      </div>
      {snapshot === null ? (
        <section class="panel">
          <Loading what="the fleet" lines={5} />
        </section>
      ) : (
        <>
          <Figures snapshot={snapshot} />
          <ThroughputPanel />
          <Runs runs={snapshot.runs} owner={snapshot.status.principal.owner} />
        </>
      )}
    </>
  );
}

function Facts({ status }: { status: Status }) {
  return (
    <p class="facts">
      <span>{plural(status.runs, 'run')}</span>
      <span>{plural(status.attachments, 'attached rank')}</span>
      <span>{plural(status.workers, 'worker')}</span>
      <span>{plural(status.coordinators.length, 'coordinator')}</span>
      <span>version {status.version}</span>
    </p>
  );
}

function Figures({ snapshot: { status, runs } }: { snapshot: FleetEvent }) {
  const { queue, outbox } = status;
  const used = outbox.limit_bytes === 0 ? 0 : outbox.bytes / outbox.limit_bytes;
  const substitutions = runs.reduce((sum, run) => sum + run.substitutions_total, 0);
  const errors = runs.reduce((sum, run) => sum + run.errors_total, 0);
  return (
    <section class="panel" aria-label="The fleet now">
      <dl class="figures">
        <div>
          <dt>Throughput</dt>
          <dd data-figure="throughput">
            {rates.value === null ? '–' : formatRate(rates.value.total)} <small>images/s</small>
          </dd>
          <dd class="note">{formatCompact(cropsOf(runs))} crops/s</dd>
        </div>
        <div>
          <dt>Queue</dt>
          <dd data-figure="queue">
            {formatCount(queue.waiting)} <small>{queue.waiting === 1 ? 'chunk' : 'chunks'} waiting</small>
          </dd>
          <dd class="note">{formatCount(queue.active)} being made</dd>
        </div>
        <div>
          <dt>Outbox</dt>
          <dd data-figure="outbox">{formatBytes(outbox.bytes)}</dd>
          <dd class="note">
            <Meter share={used} /> {formatShare(used)} of {formatBytes(outbox.limit_bytes)}
          </dd>
        </div>
        <div>
          <dt>Workers</dt>
          <dd data-figure="workers">
            {formatCount(status.workers)} <small>with {plural(status.slots, 'thread')}</small>
          </dd>
          <dd class="note">
            <Demand status={status} />
          </dd>
        </div>
        <div>
          <dt>Substituted</dt>
          <dd data-figure="substitutions">
            {formatCompact(substitutions)} <small>{substitutions === 1 ? 'sample' : 'samples'}</small>
          </dd>
          <dd class="note">
            {errors === 0 ? 'no failed chunk' : <Badge tone="bad">{plural(errors, 'failed chunk')}</Badge>}
          </dd>
        </div>
      </dl>
    </section>
  );
}

function Demand({ status: { workers, desired_workers: desired } }: { status: Status }) {
  if (workers === 0) return <Badge tone="bad">Nothing is made</Badge>;
  if (desired === null) return 'demand not known yet';
  const wanted = `${formatCount(Math.ceil(desired))} wanted`;
  return desired > workers ? <Badge tone="warn">{wanted}</Badge> : wanted;
}

/** Each image is as many crops as its run has views. */
function cropsOf(runs: readonly Run[]): number {
  const views = new Map(runs.map((run) => [run.digest, run.views.length]));
  let crops = 0;
  for (const [digest, rate] of rates.value?.byDigest ?? []) crops += rate * (views.get(digest) ?? 0);
  return crops;
}

function ThroughputPanel() {
  const [by, setBy] = useState<'run' | 'worker'>('run');
  const timeline = by === 'run' ? runTimeline.value : workerTimeline.value;
  return (
    <section class="panel" aria-labelledby="throughput">
      <header>
        <h2 id="throughput">
          Throughput <span class="muted small">images/s, the last ten minutes</span>
        </h2>
        <Segments
          label="Throughput by"
          value={by}
          options={[
            ['run', 'By run'],
            ['worker', 'By worker'],
          ]}
          onChange={setBy}
        />
      </header>
      <div class="body">
        <Throughput timeline={timeline} title={`Throughput by ${by}`} />
      </div>
    </section>
  );
}

function Runs({ runs, owner }: { runs: readonly Run[]; owner: string }) {
  if (runs.length === 0) {
    return (
      <section class="panel">
        <Empty title="No run is open">
          <p>
            A trainer opens one when it attaches, <code>cropstream serve --data FOLDER</code> at its start, or
            you here: choose a recipe, look at its crops, open it.
          </p>
          <a class="button" href={COMPOSE}>
            New run
          </a>
        </Empty>
      </section>
    );
  }
  const others = runs.some((run) => run.owner !== owner);
  return (
    <section class="panel">
      <header>
        <h2 id="runs">Runs</h2>
      </header>
      <Table
        labelledBy="runs"
        columns={[
          'Run',
          'State',
          { number: 'Images/s' },
          'Progress',
          { number: 'Ranks' },
          'Data-wait',
          { number: 'Substituted' },
          { number: 'Failed chunks' },
        ]}
      >
        {runs.map((run) => (
          <RunRow key={`${run.owner} ${run.name}`} run={run} others={others} />
        ))}
      </Table>
    </section>
  );
}

interface RunRowProps {
  readonly run: Run;
  /** Whether runs of several owners stand here. */
  readonly others: boolean;
}

function RunRow({ run, others }: RunRowProps) {
  const ranks = eventOf(run)?.ranks ?? [];
  const shares = ranks.map((rank) => waits.shareOf(rank)).filter((share) => share !== null);
  return (
    <tr>
      <th scope="row">
        <div>
          <a href={runHash(run.name, ownerBeside(run))}>{run.name}</a>
          <div class="note muted small">
            {others && `${run.owner} · `}
            {run.recipe ?? 'own views'} · {plural(run.samples, 'sample')}
          </div>
        </div>
      </th>
      <td data-label="State">
        <StateBadge run={run} />
      </td>
      <td class="number" data-label="Images/s">
        {formatRate(rates.value?.byDigest.get(run.digest) ?? 0)}
      </td>
      <td data-label="Progress">
        <Progress step={run.next_step} stepsPerEpoch={run.steps_per_epoch} />
      </td>
      <td class="number" data-label="Ranks">
        {formatCount(run.ranks)}
      </td>
      <td data-label="Data-wait">
        <WaitShare share={shares.length === 0 ? null : Math.max(...shares)} />
      </td>
      <td class="number" data-label="Substituted">
        {formatCompact(run.substitutions_total)}
      </td>
      <td class="number" data-label="Failed chunks">
        {run.errors_total === 0 ? '0' : <Badge tone="bad">{formatCompact(run.errors_total)}</Badge>}
      </td>
    </tr>
  );
}
