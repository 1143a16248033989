import { createHash } from 'node:crypto';
import { failure } from '@cropstream/errors';

/** What a view's random stream hangs on. */
export interface ViewIdentity {
  readonly name: string;
  /** Integer in [0, 2^53); views of equal seeds are yoked: they draw the same numbers. */
  readonly seed?: number;
  /** The view's number in a group that was given one seed and a `count`. */
  readonly copy?: number;
}

function identity(view: ViewIdentity): string {
  if (view.seed === undefined) return `view name ${view.name}`;
  return view.copy === undefined ? `view seed ${view.seed}` : `view seed ${view.seed} ${view.copy}`;
}

/**
 * The last word of Philox's counter: the first 4 bytes, little-endian, of SHA-256 over `view seed <seed>`,
 * `view seed <seed> <copy>` or `view name <name>`.
 */
export function viewKey(view: ViewIdentity): number {
  return createHash('sha256').update(identity(view), 'utf8').digest().readUInt32LE(0);
}

/** Throws VIEW_KEY_COLLISION where two views that are not yoked on purpose would share a stream. */
export function checkViewKeys(
  views: readonly ViewIdentity[],
  keyOf: (view: ViewIdentity) => number = viewKey,
): void {
  const seen = new Map<number, ViewIdentity>();
  for (const view of views) {
    const key = keyOf(view);
    const other = seen.get(key);
    if (other === undefined) seen.set(key, view);
    else if (identity(other) !== identity(view)) {
      throw failure('VIEW_KEY_COLLISION', { first: other.name, second: view.name });
    }
  }
}
