import type { CropGroup, Run, Statistics } from '@cropstream/api';
import { useState } from 'preact/hooks';
import { callJson } from '../api/http.js';
import { runPath } from '../api/paths.js';
import { Histogram } from '../charts/histogram.js';
import { formatCount, formatShare, plural } from '../format.js';
import { Badge } from '../parts/badge.js';
import { Segments } from '../parts/field.js';
import { Empty, Failed, Loading } from '../parts/states.js';
import { Table } from '../parts/table.js';
import { useAnswer } from '../parts/use-answer.js';

const SAMPLES = [200, 1000, 5000] as const;

/** What the run draws, against what its spec asks for. */
export function StatisticsTab({ run, owner }: { run: Run; owner: string | null }) {
  const [samples, setSamples] = useState<string>('1000');
  const path = runPath(run.name, owner, 'statistics', { samples });
  const answer = useAnswer(`${run.digest} ${path}`, (signal) => callJson<Statistics>(path, { signal }));
  const { value: statistics, error, loading, retry } = answer;
  return (
    <>
      <div class="sheet-bar">
        <p class="keys" aria-hidden="true">
          <span>
            <i class="bars" /> drawn
          </span>
          <span>
            <i class="band" /> the spec's range
          </span>
          <span>
            <i class="curve" /> expected of these images
          </span>
        </p>
        <span class="spring beside-label">
          <span class="small muted">Samples drawn</span>
          <Segments
            label="Samples drawn"
            value={samples}
            options={SAMPLES.map((count) => [String(count), formatCount(count)] as const)}
            onChange={setSamples}
          />
        </span>
      </div>
      {error !== null && !loading ? (
        <section class="panel">
          <Failed error={error} retry={retry} />
        </section>
      ) : statistics === null ? (
        <section class="panel">
          <Loading what="the statistics" lines={6} />
        </section>
      ) : (
        <div class={loading ? 'stale' : ''}>
          {statistics.groups.map((group) => (
            <Group key={group.views.join()} group={group} />
          ))}
          <Rates statistics={statistics} />
        </div>
      )}
    </>
  );
}

const nameOf = (views: readonly string[]): string =>
  views.length > 3 ? `${views[0]} … ${views.at(-1)}` : views.join(', ');

const UNIT = [0, 1] as const;

function Group({ group: { views, scale, ratio, observed, expected } }: { group: CropGroup }) {
  const id = `group-${views[0]}`;
  return (
    <section class="panel" aria-labelledby={id}>
      <header>
        <h2 id={id}>
          {nameOf(views)} <span class="muted small">{plural(views.length, 'view')} drawn alike</span>
        </h2>
      </header>
      {scale === null || ratio === null || observed === null ? (
        <Empty title="No chance in its boxes">
          <p>Every image is resized and cropped at its centre: there is nothing to draw.</p>
        </Empty>
      ) : (
        <div class="body histograms">
          <Histogram
            title="Scale"
            unit="of the source's area"
            data={observed.scale}
            range={scale}
            density={expected?.scale ?? null}
          />
          <Histogram
            title="Ratio"
            unit="width over height"
            data={observed.ratio}
            range={ratio}
            density={expected?.ratio ?? null}
          />
          <Histogram
            title="Position across"
            unit="0 left, 1 right"
            data={observed.x}
            range={UNIT}
            density={null}
          />
          <Histogram
            title="Position down"
            unit="0 top, 1 bottom"
            data={observed.y}
            range={UNIT}
            density={null}
          />
        </div>
      )}
    </section>
  );
}

/** How far chance alone may go: four standard deviations of a share that is observed over so many samples. */
const room = (share: number, samples: number): number =>
  4 * Math.sqrt(Math.max(1e-9, share * (1 - share)) / Math.max(1, samples));

/** A row a view, a column a step: how often it happened, beside how often it should. */
function Rates({ statistics: { rates, samples, bad } }: { statistics: Statistics }) {
  const views = [...new Set(rates.map(({ view }) => view))];
  const steps = [...new Set(rates.map(({ step }) => step))];
  return (
    <section class="panel">
      <header>
        <h2 id="rates">
          How often each step happened{' '}
          <span class="muted small">
            in {plural(samples, 'sample')}
            {bad > 0 && `, ${plural(bad, 'bad file')} left out`}
          </span>
        </h2>
      </header>
      <Table labelledBy="rates" columns={['View', ...steps.map((step) => ({ number: step }))]}>
        {views.map((view) => (
          <tr key={view}>
            <th scope="row">{view}</th>
            {steps.map((step) => {
              const rate = rates.find((other) => other.view === view && other.step === step);
              return (
                <td key={step} class="number" data-label={step}>
                  {rate === undefined ? <span class="muted">–</span> : <Rate {...rate} samples={samples} />}
                </td>
              );
            })}
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Rate(rate: { readonly configured: number; readonly observed: number; readonly samples: number }) {
  const { configured, observed, samples } = rate;
  const likely = Math.abs(observed - configured) <= room(configured, samples);
  return (
    <>
      {likely ? formatShare(observed) : <Badge tone="warn">{formatShare(observed)}</Badge>}{' '}
      <span class="note">of {formatShare(configured)}</span>
    </>
  );
}
