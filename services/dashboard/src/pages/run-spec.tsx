import type { RunDetail } from '@cropstream/api';
import type { Yaml } from '../form/yaml.js';
import { formatBytes, formatCount, plural } from '../format.js';
import { SpecPanel } from '../parts/spec-panel.js';
import { Failed, Loading } from '../parts/states.js';
import type { Answer } from '../parts/use-answer.js';
import { sidesOf } from '../sheet/sample.js';

/** All that the run is opened again from, with every default spelled out. */
export function SpecTab({ detail: { value: run, error, retry } }: { detail: Answer<RunDetail> }) {
  if (run === null) {
    return (
      <section class="panel">
        {error === null ? <Loading what="the spec" lines={8} /> : <Failed error={error} retry={retry} />}
      </section>
    );
  }
  return (
    <>
      <section class="panel" aria-labelledby="batch">
        <header>
          <h2 id="batch">A batch</h2>
        </header>
        <div class="body">
          <p>
            {plural(run.global_batch_size, 'sample')} of {plural(run.views.length, 'view')},{' '}
            {formatBytes(run.global_batch_size * run.sample_bytes)} over all ranks, in chunks of{' '}
            {formatCount(run.chunk_size)}; {plural(run.steps_per_epoch, 'step')} an epoch.
          </p>
          <ul class="shapes">
            {run.views.map((view) => (
              <li key={view.name}>
                <b>{view.name}</b>{' '}
                <span class="muted">
                  {sidesOf(view).join(' × ')} {view.dtype}
                </span>
              </li>
            ))}
          </ul>
        </div>
      </section>
      <SpecPanel spec={run.spec as { [field: string]: Yaml }} note="resolved: a spec again" />
    </>
  );
}
