import { effect, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'cropstream.theme';
const THEMES: readonly Theme[] = ['system', 'light', 'dark'];

const kept = localStorage.getItem(KEY);
export const theme = signal<Theme>(THEMES.find((known) => known === kept) ?? 'system');

const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
/** What is shown now, for what is drawn by script. */
export const isDark = signal(systemIsDark.matches);

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'system';
}

/** Keeps the page's `data-theme` and what was chosen, for as long as the page lives. */
export function applyTheme(): void {
  const show = () => {
    const chosen = theme.value;
    isDark.value = chosen === 'dark' || (chosen === 'system' && systemIsDark.matches);
    document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light';
  };
  systemIsDark.addEventListener('change', show);
  effect(() => {
    if (theme.value === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme.value);
    show();
  });
}
