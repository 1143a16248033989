import type { Rank, Run, Step } from '@cropstream/api';
import { useEffect, useRef, useState } from 'preact/hooks';
import { callJson } from '../api/http.js';
import { runPath } from '../api/paths.js';
import { formatCount, plural } from '../format.js';
import { Field } from '../parts/field.js';
import { Icon } from '../parts/icons.js';
import { Empty, Failed, Loading } from '../parts/states.js';
import { useAnswer } from '../parts/use-answer.js';
import { SampleCard } from '../sheet/sample.js';

/** While following, another batch is shown so often at most: a person wants to look at it. */
const FOLLOW_MS = 2_500;
const ROWS = [2, 4, 8, 16] as const;

interface CropsTabProps {
  readonly run: Run;
  readonly owner: string | null;
  readonly ranks: readonly Rank[];
}

/** The samples of one batch: the last that a rank drew, for as long as nobody holds it. */
export function CropsTab({ run, owner, ranks }: CropsTabProps) {
  const [held, setHeld] = useState<number | null>(null);
  const [rows, setRows] = useState<number>(4);
  const [slice, setSlice] = useState<string | null>(null);
  const slices = slicesOf(ranks);
  const chosen = slices.find(({ key }) => key === slice) ?? slices[0] ?? WHOLE;
  const drawn = chosen.drawn ?? run.latest_step;
  const last = useRef(0);
  // What was drawn last stays when its trainer has left.
  if (drawn !== null) last.current = drawn;
  const latest = usePaced(last.current, FOLLOW_MS);
  const step = held ?? latest;
  const { rank, world } = chosen;
  const path = runPath(run.name, owner, `steps/${step}`, { rank, world, rows, pictures: true });
  const answer = useAnswer(`${run.digest} ${path}`, (signal) => callJson<Step>(path, { signal }));
  const shown = answer.value;
  return (
    <>
      <div class="sheet-bar">
        <Field label="Step">
          {(control) => (
            <span class="stepper">
              <button
                type="button"
                class="button icon"
                aria-label="The step before"
                disabled={step === 0}
                onClick={() => setHeld(Math.max(0, step - 1))}
              >
                <Icon name="left" />
              </button>
              <input
                {...control}
                type="number"
                min="0"
                step="1"
                value={step}
                onChange={({ currentTarget: { valueAsNumber: value } }) => {
                  if (Number.isSafeInteger(value) && value >= 0) setHeld(value);
                }}
              />
              <button
                type="button"
                class="button icon"
                aria-label="The next step"
                onClick={() => setHeld(step + 1)}
              >
                <Icon name="right" />
              </button>
            </span>
          )}
        </Field>
        <button
          type="button"
          class={`button ${held === null ? 'primary' : ''}`}
          aria-pressed={held === null}
          onClick={() => setHeld(held === null ? step : null)}
        >
          <Icon name={held === null ? 'pause' : 'play'} />
          {held === null ? 'Following the latest' : 'Follow the latest'}
        </button>
        {slices.length > 1 && (
          <Field label="Rank">
            {(control) => (
              <select
                {...control}
                value={chosen.key}
                onChange={({ currentTarget }) => setSlice(currentTarget.value)}
              >
                {slices.map(({ key, rank, world }) => (
                  <option key={key} value={key}>
                    {rank} of {world}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
        <Field label="Samples">
          {(control) => (
            <select
              {...control}
              value={String(rows)}
              onChange={({ currentTarget }) => setRows(Number(currentTarget.value))}
            >
              {ROWS.map((count) => (
                <option key={count} value={String(count)}>
                  {count}
                </option>
              ))}
            </select>
          )}
        </Field>
        <p class="small muted spring">
          {shown !== null && (
            <>
              Step {formatCount(shown.step)}: epoch {formatCount(shown.epoch)}, step{' '}
              {formatCount(shown.step_in_epoch)} of it; {shown.rows.length} of{' '}
              {plural(shown.samples, 'sample')}
              {run.ranks === 0 && held === null && '. No trainer is attached: this is what it would draw'}
            </>
          )}
        </p>
      </div>
      {answer.error !== null && !answer.loading ? (
        <section class="panel">
          <Failed error={answer.error} retry={answer.retry} />
        </section>
      ) : shown === null ? (
        <section class="panel">
          <Loading what="the batch" lines={5} />
        </section>
      ) : shown.rows.length === 0 ? (
        <section class="panel">
          <Empty title="This batch has no rows" />
        </section>
      ) : (
        <>
          <h2 class="hidden-visually">Samples of the batch</h2>
          <p class="small muted hint-line">
            Point at a crop or a box, or go by Tab and the arrow keys, to see how the crop was made; a click
            keeps it.
          </p>
          <div class={`samples ${answer.loading && held !== null ? 'stale' : ''}`} data-step={shown.step}>
            {shown.rows.map((row) => (
              <SampleCard key={row.row} row={row} shapes={shown.views} />
            ))}
          </div>
        </>
      )}
    </>
  );
}

/** A rank's part of each step. */
interface Slice {
  readonly key: string;
  readonly rank: number;
  readonly world: number;
  /** The last step that it drew; null: none yet. */
  readonly drawn: number | null;
}

const WHOLE: Slice = { key: '0/1', rank: 0, world: 1, drawn: null };

function slicesOf(ranks: readonly Rank[]): Slice[] {
  const slices = new Map<string, Slice>();
  for (const { rank, world_size: world, next_step } of ranks) {
    const key = `${rank}/${world}`;
    const drawn = Math.max(next_step - 1, slices.get(key)?.drawn ?? -1);
    slices.set(key, { key, rank, world, drawn: drawn < 0 ? null : drawn });
  }
  return [...slices.values()].sort((a, b) => a.world - b.world || a.rank - b.rank);
}

/** `value`, taking up a new one no sooner than `ms` after the last, and none while nobody looks. */
function usePaced(value: number, ms: number): number {
  const [paced, setPaced] = useState({ value, at: Date.now() });
  useEffect(() => {
    if (paced.value === value || document.hidden) return;
    const left = Math.max(0, paced.at + ms - Date.now());
    const timer = setTimeout(() => setPaced({ value, at: Date.now() }), left);
    return () => clearTimeout(timer);
  }, [value, paced, ms]);
  return paced.value;
}
