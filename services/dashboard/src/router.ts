import { signal } from '@preact/signals';
import { parseHash, type Route } from './routes.js';

/** Where the reader is. */
export const route = signal<Route>(parseHash(location.hash));

/** Follows the address for as long as the page lives. */
export function followAddress(): void {
  addEventListener('hashchange', () => {
    route.value = parseHash(location.hash);
  });
}

export function go(hash: string): void {
  location.hash = hash;
}
