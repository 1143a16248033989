import { signal } from '@preact/signals';

/** Whether the service lets this page in. */
export type Admission =
  /** Nothing was asked yet. */
  | 'unknown'
  | 'admitted'
  /** It wants a token. */
  | 'wanted'
  /** It refused the one that was given, or refuses it since it was revoked. */
  | 'refused';

const KEY = 'cropstream.token';

/** For as long as the tab lives, and for no other tab: nothing is kept on the machine. */
export const token = signal<string | null>(sessionStorage.getItem(KEY));
export const admission = signal<Admission>('unknown');
/** What the service said as it refused. */
export const refusal = signal<unknown>(null);

export function signIn(given: string): void {
  sessionStorage.setItem(KEY, given);
  token.value = given;
  admission.value = 'unknown';
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  token.value = null;
  admission.value = 'wanted';
}

/** The service lets nobody in who asks like this; `error` is what it said. */
export function refuse(error: unknown): void {
  refusal.value = error;
  admission.value = token.value === null ? 'wanted' : 'refused';
}
