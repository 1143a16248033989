import type { Run } from '@cropstream/api';
import { formatCount, formatShare } from '../format.js';
import { Badge } from './badge.js';
import { Meter } from './meter.js';

/** A rank that waits for more than this share of its time is starved. */
const STARVED = 0.05;

export function StateBadge({ run }: { run: Pick<Run, 'state' | 'ranks'> }) {
  if (run.state === 'paused') return <Badge tone="warn">Paused</Badge>;
  return run.ranks > 0 ? <Badge tone="good">Drawing</Badge> : <Badge>Open</Badge>;
}

/** Where in its epoch a global step is. */
export function Progress({ step, stepsPerEpoch }: { step: number | null; stepsPerEpoch: number }) {
  if (step === null) return <span class="muted">–</span>;
  const within = step % stepsPerEpoch;
  return (
    <span class="progress">
      <Meter share={within / stepsPerEpoch} />
      <span class="small nowrap">
        epoch {formatCount(Math.floor(step / stepsPerEpoch))}, step {formatCount(within)} of{' '}
        {formatCount(stepsPerEpoch)}
      </span>
    </span>
  );
}

/** The share of its time that a rank waited for data, lately; null: not known. */
export function WaitShare({ share }: { share: number | null }) {
  if (share === null) return <span class="muted">–</span>;
  const starved = share > STARVED;
  return (
    <span class="wait">
      <Meter share={share} {...(starved && { tone: 'warn' as const })} />
      <span class="small nowrap">
        {formatShare(share)}
        {starved && ', starved'}
      </span>
    </span>
  );
}
