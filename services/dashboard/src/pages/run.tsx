import type { Run, RunDetail } from '@cropstream/api';
import { useEffect, useRef, useState } from 'preact/hooks';
import { call, callJson } from '../api/http.js';
import { runPath } from '../api/paths.js';
import { Problem } from '../api/problem.js';
import { formatAgo, formatCount, plural, shortDigest } from '../format.js';
import { Confirm } from '../parts/confirm.js';
import { CopyButton } from '../parts/copy.js';
import { Icon } from '../parts/icons.js';
import { StateBadge } from '../parts/run-facts.js';
import { Empty, Failed, Loading } from '../parts/states.js';
import { useAnswer } from '../parts/use-answer.js';
import { go } from '../router.js';
import { FLEET, RUN_TABS, type RunTab, runHash } from '../routes.js';
import { goneRuns, mayOperate, runEvents } from '../state/live.js';
import { CropsTab } from './run-crops.js';
import { ProgressTab } from './run-progress.js';
import { ReportsTab } from './run-reports.js';
import { SpecTab } from './run-spec.js';
import { StatisticsTab } from './run-statistics.js';

const TAB_NAMES: Readonly<Record<RunTab, string>> = {
  progress: 'Progress',
  crops: 'Crops',
  statistics: 'Statistics',
  reports: 'Substitutions and errors',
  spec: 'Spec',
};

interface RunPageProps {
  readonly name: string;
  /** Null: the reader's own. */
  readonly owner: string | null;
  readonly tab: RunTab;
}

export function RunPage({ name, owner, tab }: RunPageProps) {
  const event = runEvents.value.get(name);
  const gone = goneRuns.value.has(name);
  // Asked again where the run was opened anew under another spec.
  const detail = useAnswer(gone ? null : `${owner} ${name} ${event?.run.digest ?? ''}`, (signal) =>
    callJson<RunDetail>(runPath(name, owner), { signal }),
  );
  const tabs = useRef<HTMLElement>(null);
  const ready = event !== undefined || detail.value !== null;
  // On a phone they are wider than the screen.
  useEffect(() => {
    tabs.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [tab, ready]);
  const run: Run | null = event?.run ?? detail.value;
  if (gone || (detail.error instanceof Problem && detail.error.code === 'RUN_NOT_FOUND')) {
    return (
      <Empty page title={`No run ${name} is open`}>
        <p>
          It was closed, or never opened. A trainer that holds its spec opens it again by attaching, and draws
          the same bytes.
        </p>
        <a class="button" href={FLEET}>
          To the fleet
        </a>
      </Empty>
    );
  }
  if (run === null) {
    return (
      <section class="panel">
        <h1 class="hidden-visually">{name}</h1>
        {detail.error === null ? (
          <Loading what={`run ${name}`} lines={5} />
        ) : (
          <Failed error={detail.error} retry={detail.retry} />
        )}
      </section>
    );
  }
  return (
    <>
      <Head run={run} owner={owner} />
      <nav ref={tabs} class="tabs" aria-label={`Of run ${name}`}>
        {RUN_TABS.map((other) => (
          <a key={other} href={runHash(name, owner, other)} aria-current={other === tab ? 'page' : undefined}>
            {TAB_NAMES[other]}
            {other === 'reports' && run.substitutions_total + run.errors_total > 0 && (
              <span class="muted"> {formatCount(run.substitutions_total + run.errors_total)}</span>
            )}
          </a>
        ))}
      </nav>
      {tab === 'progress' && <ProgressTab run={run} ranks={event?.ranks ?? null} />}
      {tab === 'crops' && <CropsTab run={run} owner={owner} ranks={event?.ranks ?? []} />}
      {tab === 'statistics' && <StatisticsTab run={run} owner={owner} />}
      {tab === 'reports' && <ReportsTab run={run} owner={owner} />}
      {tab === 'spec' && <SpecTab detail={detail} />}
    </>
  );
}

function Head({ run, owner }: { run: Run; owner: string | null }) {
  return (
    <div class="page-head">
      <div>
        <p class="crumb">
          <a href={FLEET}>Fleet</a> / Run
        </p>
        <div class="title-line">
          <h1>{run.name}</h1>
          <StateBadge run={run} />
        </div>
        <p class="facts">
          <span>{run.recipe ?? 'own views'}</span>
          <span>
            {run.dataset.source} {run.dataset.url}
          </span>
          <span>
            {plural(run.samples, 'sample')}, {formatCount(run.global_batch_size)} a step
          </span>
          <span class="with-copy">
            digest <code title={run.digest}>{shortDigest(run.digest)}</code>
            <CopyButton text={run.digest} what="the run digest" />
          </span>
          <span>opened {formatAgo(Date.parse(run.opened_at))}</span>
        </p>
      </div>
      {mayOperate.value && <Actions run={run} owner={owner} />}
    </div>
  );
}

type Action = 'pause' | 'resume' | 'close';

function Actions({ run, owner }: { run: Run; owner: string | null }) {
  const [asked, setAsked] = useState<Action | null>(null);
  const { name } = run;
  const path = (what: string) => runPath(name, owner, what);
  const done = () => setAsked(null);
  return (
    <div class="actions">
      {run.state === 'paused' ? (
        <button type="button" class="button" onClick={() => setAsked('resume')}>
          <Icon name="play" />
          Resume
        </button>
      ) : (
        <button type="button" class="button" onClick={() => setAsked('pause')}>
          <Icon name="pause" />
          Pause
        </button>
      )}
      <button type="button" class="button danger" onClick={() => setAsked('close')}>
        <Icon name="close" />
        Close
      </button>
      {asked === 'pause' && (
        <Confirm
          title={`Pause ${name}?`}
          action="Pause the run"
          onConfirm={() => call(path('pause'), { method: 'POST' })}
          onDone={done}
        >
          <p>
            No new chunks of it are made. Whoever draws from it ({plural(run.ranks, 'rank')} now) waits, and
            goes on from the same step when it is resumed: no batch is lost and none changes.
          </p>
        </Confirm>
      )}
      {asked === 'resume' && (
        <Confirm
          title={`Resume ${name}?`}
          action="Resume the run"
          onConfirm={() => call(path('resume'), { method: 'POST' })}
          onDone={done}
        >
          <p>Its chunks are made again, beginning with those that ranks wait for.</p>
        </Confirm>
      )}
      {asked === 'close' && (
        <Confirm
          title={`Close ${name}?`}
          action="Close the run"
          danger
          onConfirm={async () => {
            await call(path(''), { method: 'DELETE' });
            go(FLEET);
          }}
          onDone={done}
        >
          <p>
            {run.ranks === 0
              ? 'No trainer is attached.'
              : `Whoever draws from it (${plural(run.ranks, 'rank')}) ends with an error.`}{' '}
            Nothing is deleted: opened again from its spec, the same run gives the same bytes from any step.
          </p>
        </Confirm>
      )}
    </div>
  );
}
