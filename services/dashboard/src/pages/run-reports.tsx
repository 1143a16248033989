import type { Page, Run, RunError, Substitution } from '@cropstream/api';
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { callJson } from '../api/http.js';
import { runPath } from '../api/paths.js';
import { formatAgo, formatCount, plural } from '../format.js';
import { Empty, Failed, Loading } from '../parts/states.js';
import { Table } from '../parts/table.js';
import { useAnswer } from '../parts/use-answer.js';

const PAGE = 50;

/** What was not delivered as asked: bad samples that others stood in for, and chunks that failed for good. */
export function ReportsTab({ run, owner }: { run: Run; owner: string | null }) {
  return (
    <>
      <Reports<RunError>
        {...{ run, owner }}
        what="errors"
        title="Failed chunks"
        count={run.errors_total}
        empty="No chunk failed"
        help="A chunk that fails is made again by another worker; one that fails for good would stand here, with what to do."
        columns={['When', 'What', { number: 'Step' }, 'Positions']}
        row={(error) => (
          <tr key={`${error.at} ${error.epoch} ${error.first}`}>
            <When at={error.at} />
            <td data-label="What">
              <div>
                <code>{error.code}</code>
                <div class="note">
                  {error.problem}. {error.help}
                </div>
              </div>
            </td>
            <td class="number" data-label="Step">
              {formatCount(error.step)}
            </td>
            <td data-label="Positions">
              {formatCount(error.first)} to {formatCount(error.last - 1)} of epoch {error.epoch}
            </td>
          </tr>
        )}
      />
      <Reports<Substitution>
        {...{ run, owner }}
        what="substitutions"
        title="Substituted samples"
        count={run.substitutions_total}
        empty="No sample was substituted"
        help="An image that cannot be decoded is replaced by a good one, the same one every time, and is listed here."
        columns={['When', 'Bad sample', 'Why', { number: 'Stand-in' }, { number: 'Step' }]}
        row={(substitution) => (
          <tr key={`${substitution.at} ${substitution.epoch} ${substitution.position}`}>
            <When at={substitution.at} />
            <td data-label="Bad sample">
              <div>
                {formatCount(substitution.original_index)}
                <div class="note path">{substitution.path}</div>
              </div>
            </td>
            <td data-label="Why">
              <div>
                <code>{substitution.code}</code>
                <div class="note">{substitution.reason}</div>
              </div>
            </td>
            <td class="number" data-label="Stand-in">
              {formatCount(substitution.delivered_index)}
            </td>
            <td class="number" data-label="Step">
              {formatCount(substitution.step)}
            </td>
          </tr>
        )}
      />
    </>
  );
}

const When = ({ at }: { at: string }) => (
  <th scope="row">
    <time datetime={at} title={at} class="nowrap">
      {formatAgo(Date.parse(at))}
    </time>
  </th>
);

interface ReportsProps<T> {
  readonly run: Run;
  readonly owner: string | null;
  readonly what: 'substitutions' | 'errors';
  readonly title: string;
  /** In all; a change asks for them again. */
  readonly count: number;
  readonly empty: string;
  readonly help: string;
  readonly columns: Parameters<typeof Table>[0]['columns'];
  readonly row: (item: T) => ComponentChildren;
}

/** The newest first, a page at a time. */
function Reports<T>({ run, owner, what, title, count, empty, help, columns, row }: ReportsProps<T>) {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const cursor = cursors.at(-1) ?? null;
  const path = runPath(run.name, owner, what, { limit: PAGE, cursor });
  const answer = useAnswer(`${path} ${cursor === null ? count : ''}`, (signal) =>
    callJson<Page<T>>(path, { signal }),
  );
  useEffect(() => setCursors([]), [run.digest]);
  const { value: page, error, loading, retry } = answer;
  return (
    <section class="panel">
      <header>
        <h2 id={what}>
          {title} {count > 0 && <span class="muted small">{plural(count, 'time')} in all</span>}
        </h2>
      </header>
      {error !== null && !loading ? (
        <Failed error={error} retry={retry} />
      ) : page === null ? (
        <Loading what={title} />
      ) : page.items.length === 0 ? (
        <Empty title={empty}>
          <p>{help}</p>
        </Empty>
      ) : (
        <>
          <Table labelledBy={what} columns={columns}>
            {page.items.map(row)}
          </Table>
          {(cursor !== null || page.next_cursor !== null) && (
            <div class="body pager">
              <button
                type="button"
                class="button"
                disabled={cursor === null}
                onClick={() => setCursors(cursors.slice(0, -1))}
              >
                Newer
              </button>
              <button
                type="button"
                class="button"
                disabled={page.next_cursor === null}
                onClick={() => setCursors([...cursors, page.next_cursor ?? ''])}
              >
                Older
              </button>
            </div>
          )}
        </>
      )}
    </section>
  );
}
