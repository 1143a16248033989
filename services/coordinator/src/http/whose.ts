import type { RunRecord } from '@cropstream/broker';
import { failure } from '@cropstream/errors';
import { ALL_OWNERS, DEFAULT_OWNER, mayActFor, type Principal } from '@cropstream/runtime';
import type { OpenRun } from '../open-run.js';
import type { ApiContext } from './context.js';

/** A run with its record. */
export interface RunInView {
  readonly run: OpenRun;
  readonly record: RunRecord;
}

/** Whose the run is. */
export const ownerOf = (_record: RunRecord): string => DEFAULT_OWNER;

/**
 * Whose runs a principal asks for; null: every owner's.
 *
 * @throws FORBIDDEN for another owner's
 */
export function ownerAsked(principal: Principal, owner: string | undefined): string | null {
  if (owner !== undefined) {
    if (mayActFor(principal, owner)) return owner;
    const reason = `its owner is ${principal.owner}`;
    throw failure('FORBIDDEN', { token: principal.name, what: `ask for what is of ${owner}`, reason });
  }
  return principal.owner === ALL_OWNERS ? null : principal.owner;
}

/** The open runs that a principal may see. */
export async function runsOf({ store, catalog }: ApiContext, owner: string | null): Promise<RunInView[]> {
  const runs = new Map((await catalog.list()).map((run) => [keyOf(run), run]));
  return (await store.runs()).flatMap((record) => {
    const run = runs.get(keyOf(record));
    return run !== undefined && (owner === null || ownerOf(record) === owner) ? [{ run, record }] : [];
  });
}

/**
 * The open run of that name among those that a principal may see.
 *
 * @throws RUN_NOT_FOUND, naming those that it may see; FORBIDDEN
 */
export async function runOf(
  context: ApiContext,
  principal: Principal,
  name: string,
  asked: string | undefined,
): Promise<RunInView> {
  const owner = ownerAsked(principal, asked);
  const runs = await runsOf(context, owner);
  const found = runs.find(({ record }) => record.name === name);
  if (found !== undefined) return found;
  const known = runs.map(({ record }) => record.name).join(', ');
  throw failure('RUN_NOT_FOUND', { run: name, known: known || 'none' });
}

const keyOf = ({ name, digest }: { readonly name: string; readonly digest: string }) => `${digest} ${name}`;
