import type { ComponentChildren, JSX } from 'preact';

export type Tone = 'neutral' | 'good' | 'warn' | 'bad';

/** Each tone has a mark of its own: colour alone says nothing. */
const MARKS: Record<Tone, JSX.Element> = {
  neutral: <circle cx="5" cy="5" r="3.4" fill="none" stroke="currentColor" stroke-width="1.6" />,
  good: <circle cx="5" cy="5" r="4.2" fill="currentColor" />,
  warn: <path d="M5 .8 9.6 9H.4Z" fill="currentColor" />,
  bad: <path d="M.9.9h8.2v8.2H.9z" fill="currentColor" />,
};

/** A state in a word, with a mark and a colour beside it. */
export function Badge({ tone = 'neutral', children }: { tone?: Tone; children: ComponentChildren }) {
  return (
    <span class={`badge ${tone}`}>
      <svg viewBox="0 0 10 10" aria-hidden="true">
        {MARKS[tone]}
      </svg>
      {children}
    </span>
  );
}
