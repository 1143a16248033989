import { refuse, token } from '../state/session.js';
import { Problem, Unreachable } from './problem.js';

export interface Call {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

/** An address of the API, relative to the page: it works behind any prefix and any forwarded port. */
export const apiUrl = (path: string): URL => new URL(`api/v1/${path}`, document.baseURI);

/**
 * Calls the API with the reader's token.
 * @throws Problem, Unreachable, AbortError
 */
export async function call(
  path: string,
  { method = 'GET', body, accept, signal }: Call = {},
): Promise<Response> {
  const headers = new Headers({ accept: accept ?? 'application/json' });
  const bearer = token.value;
  if (bearer !== null) headers.set('authorization', `Bearer ${bearer}`);
  if (body !== undefined) headers.set('content-type', 'application/json');
  let response: Response;
  try {
    response = await fetch(apiUrl(path), {
      method,
      headers,
      cache: 'no-store',
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    });
  } catch (error) {
    if (error instanceof TypeError) throw new Unreachable('no answer', { cause: error });
    throw error;
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  // A token that was changed meanwhile was not refused.
  if (response.status === 401 && token.value === bearer) refuse(problem);
  throw problem;
}

export async function callJson<T>(path: string, options?: Call): Promise<T> {
  return (await call(path, options)).json() as Promise<T>;
}

async function problemOf(response: Response): Promise<Problem> {
  const said: unknown = await response.json().catch(() => null);
  const text = (name: string): string => {
    const value =
      typeof said === 'object' && said !== null ? (said as Record<string, unknown>)[name] : undefined;
    return typeof value === 'string' ? value : '';
  };
  const { status, statusText } = response;
  const problem = text('detail') || `${status} ${statusText}`.trim();
  return new Problem(status, text('code') || 'UNKNOWN', problem, text('help'));
}
