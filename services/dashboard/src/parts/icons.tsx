import type { JSX } from 'preact';

const PATHS = {
  sun: 'M8 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7ZM8 .8v1.6M8 13.6v1.6M.8 8h1.6M13.6 8h1.6M2.9 2.9 4 4M12 12l1.1 1.1M13.1 2.9 12 4M4 12l-1.1 1.1',
  moon: 'M13.6 9.6A6 6 0 0 1 6.4 2.4a6 6 0 1 0 7.2 7.2Z',
  system: 'M1.8 2.8h12.4v8.4H1.8zM5.5 14h5M8 11.2V14',
  pause: 'M5 3v10M11 3v10',
  play: 'M4.5 2.8v10.4L13 8Z',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  plus: 'M8 2.5v11M2.5 8h11',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  check: 'M2.8 8.6l3.4 3.6 7-8',
  left: 'M10 3 5 8l5 5',
  right: 'M6 3l5 5-5 5',
  leave: 'M6.5 2.5h-4v11h4M6.5 8h7M10.5 5l3 3-3 3',
  dice: 'M2.5 2.5h11v11h-11zM5.4 5.4h.01M10.6 5.4h.01M8 8h.01M5.4 10.6h.01M10.6 10.6h.01',
} as const;

export type IconName = keyof typeof PATHS;

/** A mark beside words, or within a button that has a name. */
export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path
        d={PATHS[name]}
        fill={name === 'play' || name === 'moon' ? 'currentColor' : 'none'}
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

export function Logo(): JSX.Element {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" fill="#0f5f63" />
      <path d="M10 5v17h17M5 10h17v17" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" />
      <rect x="13.5" y="13.5" width="5" height="5" rx="1" fill="#7fe0d2" />
    </svg>
  );
}
