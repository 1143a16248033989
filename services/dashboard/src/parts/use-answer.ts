import { useEffect, useState } from 'preact/hooks';
import { isAbort } from '../api/problem.js';

/** What was asked for: the last answer, which stays while another is awaited. */
export interface Answer<T> {
  readonly value: T | null;
  readonly error: unknown;
  readonly loading: boolean;
  readonly retry: () => void;
}

/**
 * Asks again whenever `key` changes, after `delayMs` without another change; an answer that is no longer wanted is
 * cancelled. Null asks for nothing.
 */
export function useAnswer<T>(
  key: string | null,
  ask: (signal: AbortSignal) => Promise<T>,
  delayMs = 0,
): Answer<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [loading, setLoading] = useState(key !== null);
  const [again, setAgain] = useState(0);
  useEffect(() => {
    if (key === null) {
      setLoading(false);
      return;
    }
    const cancel = new AbortController();
    setLoading(true);
    const timer = setTimeout(async () => {
      try {
        const answer = await ask(cancel.signal);
        if (cancel.signal.aborted) return;
        setValue(answer);
        setError(null);
      } catch (thrown) {
        if (cancel.signal.aborted || isAbort(thrown)) return;
        setError(thrown);
      }
      setLoading(false);
    }, delayMs);
    return () => {
      clearTimeout(timer);
      cancel.abort();
    };
  }, [key, again]);
  return { value, error, loading, retry: () => setAgain(again + 1) };
}
