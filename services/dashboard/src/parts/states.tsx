import type { ComponentChildren } from 'preact';
import { inWords } from '../api/problem.js';

interface EmptyProps {
  readonly title: string;
  /** Nothing else is on the page. @default false */
  readonly page?: boolean;
  readonly children?: ComponentChildren;
}

/** Where there is nothing yet: why, and what would put something there. */
export function Empty({ title, page = false, children }: EmptyProps) {
  const Heading = page ? 'h1' : 'h2';
  return (
    <div class="empty">
      <Heading>{title}</Heading>
      {children}
    </div>
  );
}

export function Loading({ what, lines = 3 }: { what: string; lines?: number }) {
  return (
    <div class="body loading" role="status">
      <span class="hidden-visually">Loading {what}</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="skeleton" style={{ width: `${90 - line * 17}%` }} />
      ))}
    </div>
  );
}

/** What went wrong where something should stand; `retry` asks for it again. */
export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const { title, help } = inWords(error);
  return (
    <div class="empty" role="alert">
      <h2>{title}</h2>
      {help !== '' && <p>{help}</p>}
      {retry !== undefined && (
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}
