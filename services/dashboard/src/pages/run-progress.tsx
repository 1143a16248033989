import type { Rank, Run } from '@cropstream/api';
import { Throughput } from '../charts/throughput.js';
import { formatCount, formatDuration, formatRate, plural, shortDigest } from '../format.js';
import { Progress, WaitShare } from '../parts/run-facts.js';
import { Empty, Loading } from '../parts/states.js';
import { Table } from '../parts/table.js';
import { rates, runTimeline, waits } from '../state/live.js';
import { rankKey } from '../state/waits.js';

/** @param props.ranks null: not told yet */
export function ProgressTab({ run, ranks }: { run: Run; ranks: readonly Rank[] | null }) {
  return (
    <>
      <section class="panel" aria-labelledby="run-throughput">
        <header>
          <h2 id="run-throughput">
            Throughput <span class="muted small">images/s, the last ten minutes</span>
          </h2>
          <b class="now">{formatRate(rates.value?.byDigest.get(run.digest) ?? 0)} images/s</b>
        </header>
        <div class="body">
          <Throughput timeline={of(run)} title={`Throughput of ${run.name}`} />
        </div>
      </section>
      <section class="panel">
        {ranks === null ? (
          <Loading what="the ranks" />
        ) : ranks.length === 0 ? (
          <Empty title="No trainer is attached">
            <p>
              Nothing is made ahead of a trainer's credits. Draw from it with{' '}
              <code>cropstream pull --run {run.name} --target HOST:PORT</code>, or attach a loader to the run
              by its name.
            </p>
          </Empty>
        ) : (
          <Ranks run={run} ranks={ranks} />
        )}
      </section>
    </>
  );
}

/** The line of this run alone. */
function of({ digest }: Run) {
  const { lines, times, values } = runTimeline.value;
  const at = lines.findIndex(({ key }) => key === digest);
  const line = lines[at];
  return line === undefined
    ? { lines: [], times, values: [] }
    : { lines: [line], times, values: [values[at] ?? []] };
}

function Ranks({ run, ranks }: { run: Run; ranks: readonly Rank[] }) {
  const sorted = [...ranks].sort((a, b) => a.consumer.localeCompare(b.consumer) || a.rank - b.rank);
  return (
    <>
      <header>
        <h2 id="ranks">{plural(ranks.length, 'attached rank')}</h2>
      </header>
      <Table
        labelledBy="ranks"
        columns={[
          'Rank',
          'Progress',
          { number: 'Next step' },
          { number: 'Window' },
          { number: 'Credits' },
          'Data-wait',
          { number: 'Waited in all' },
          'Trainer',
          'Coordinator',
        ]}
      >
        {sorted.map((rank) => (
          <RankRow key={rankKey(rank)} rank={rank} stepsPerEpoch={run.steps_per_epoch} />
        ))}
      </Table>
    </>
  );
}

function RankRow({ rank, stepsPerEpoch }: { rank: Rank; stepsPerEpoch: number }) {
  const { waited_seconds: waited, elapsed_seconds: elapsed } = rank;
  return (
    <tr>
      <th scope="row">
        <div>
          {formatCount(rank.rank)} of {formatCount(rank.world_size)}
          <div class="note muted small">{rank.consumer}</div>
        </div>
      </th>
      <td data-label="Progress">
        <Progress step={rank.next_step} stepsPerEpoch={stepsPerEpoch} />
      </td>
      <td class="number" data-label="Next step">
        {formatCount(rank.next_step)}
      </td>
      <td class="number" data-label="Window">
        {plural(rank.window_end - rank.next_step, 'step')}
      </td>
      <td class="number" data-label="Credits">
        {plural(rank.credit_chunks, 'chunk')}
      </td>
      <td data-label="Data-wait">
        <WaitShare share={waits.shareOf(rank)} />
      </td>
      <td class="number" data-label="Waited in all">
        {formatDuration(waited)} of {formatDuration(elapsed)}
      </td>
      <td data-label="Trainer">{rank.trainer}</td>
      <td data-label="Coordinator">
        <code title={rank.coordinator}>{shortDigest(rank.coordinator)}</code>
      </td>
    </tr>
  );
}
