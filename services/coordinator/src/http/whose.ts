import { type RunRecord, runKeyOf } from '@cropstream/broker';
import { failure } from '@cropstream/errors';
import { ALL_OWNERS, ownerFor, type Principal } from '@cropstream/runtime';
import type { OpenRun } from '../open-run.js';
import type { ApiContext } from './context.js';

/** A run with its record. */
export interface RunInView {
  readonly run: OpenRun;
  readonly record: RunRecord;
}

/**
 * Whose runs a principal asks for; null: every owner's.
 *
 * @throws FORBIDDEN for another owner's
 */
export function ownerAsked(principal: Principal, owner: string | undefined): string | null {
  if (owner === undefined && principal.owner === ALL_OWNERS) return null;
  return ownerFor(principal, owner);
}

/** The open runs that a principal may see. */
export async function runsOf({ store, catalog }: ApiContext, owner: string | null): Promise<RunInView[]> {
  const runs = new Map((await catalog.list()).map((run) => [keyOf(run), run]));
  return (await store.runs()).flatMap((record) => {
    const run = runs.get(keyOf(record));
    return run !== undefined && (owner === null || record.owner === owner) ? [{ run, record }] : [];
  });
}

/**
 * The open run of that name among those that a principal may see.
 *
 * @throws RUN_NOT_FOUND, naming those that it may see; RUN_AMBIGUOUS where two owners have one and none was said; FORBIDDEN
 */
export async function runOf(
  context: ApiContext,
  principal: Principal,
  name: string,
  asked: string | undefined,
): Promise<RunInView> {
  const owner = ownerAsked(principal, asked);
  const runs = await runsOf(context, owner);
  const [found, ...others] = runs.filter(({ record }) => record.name === name);
  if (found !== undefined && others.length === 0) return found;
  if (found !== undefined) {
    const all = [found, ...others].map(({ record }) => `${name} of ${record.owner}`);
    throw failure('RUN_AMBIGUOUS', { known: all.join(', ') });
  }
  const known = runs.map(({ record }) => record.name).join(', ');
  throw failure('RUN_NOT_FOUND', { run: name, known: known || 'none' });
}

const keyOf = (run: Pick<RunRecord, 'owner' | 'digest' | 'name'>) => `${runKeyOf(run)} ${run.name}`;
