import type { Preview } from '@cropstream/api';
import { Icon } from '../parts/icons.js';
import { Empty, Failed, Loading } from '../parts/states.js';
import type { Answer } from '../parts/use-answer.js';
import { SampleCard } from '../sheet/sample.js';

interface PreviewPanelProps {
  readonly preview: Answer<Preview>;
  /** No dataset is named yet. */
  readonly nowhere: boolean;
  /** The reader wants to see other images. */
  readonly onOthers: () => void;
}

/** What a trainer would get of the spec as it is. */
export function PreviewPanel({ preview, nowhere, onOthers }: PreviewPanelProps) {
  const { value, loading, error } = preview;
  return (
    <section class="panel preview" aria-labelledby="preview" aria-busy={loading}>
      <header>
        <h2 id="preview">
          Preview{' '}
          <span class="muted small">
            {loading && value !== null ? 'drawing' : 'what a trainer would get'}
          </span>
        </h2>
        <button type="button" class="button" disabled={value === null} onClick={onOthers}>
          <Icon name="dice" />
          Other images
        </button>
      </header>
      {nowhere ? (
        <Empty title="Name a dataset to see its crops">
          <p>Nothing is opened by looking.</p>
        </Empty>
      ) : value === null ? (
        error !== null && !loading ? (
          <Failed error={error} retry={preview.retry} />
        ) : (
          <Loading what="the preview" lines={5} />
        )
      ) : (
        <>
          {value.notices.length > 0 && (
            <ul class="body small muted">
              {value.notices.map((notice) => (
                <li key={notice}>{notice}</li>
              ))}
            </ul>
          )}
          <div class={loading || error !== null ? 'stale' : ''}>
            {value.rows.map((row) => (
              <SampleCard key={row.row} row={row} shapes={value.views} />
            ))}
          </div>
        </>
      )}
    </section>
  );
}
