import type { ChunkName } from '@cropstream/broker';
import type { WantedChunk } from '@cropstream/schedule';
import type { Attachment } from './attachment.js';

export type Want = WantedChunk & { readonly name: ChunkName };

/** A chunk that is wanted, and the attachments that wait for it. */
export interface WantedBy {
  readonly want: Want;
  readonly by: readonly Attachment[];
}

/**
 * All wants of a run that somebody still waits for, each chunk once: the earliest step first, then the ranks in turn.
 * Whoever was told of a chunk asks no more of it, wherever it lies or not.
 */
export function inOrder(attachments: readonly Attachment[]): ReadonlyMap<ChunkName, WantedBy> {
  const all = attachments.flatMap((attachment) =>
    attachment.wants
      .map((want, turn) => ({ want, attachment, turn }))
      .filter(({ want }) => attachment.awaits(want.name)),
  );
  all.sort((a, b) => a.want.step - b.want.step || a.turn - b.turn || a.attachment.rank - b.attachment.rank);
  const wants = new Map<ChunkName, { readonly want: Want; readonly by: Attachment[] }>();
  for (const { want, attachment } of all) {
    const known = wants.get(want.name);
    if (known) known.by.push(attachment);
    else wants.set(want.name, { want, by: [attachment] });
  }
  return wants;
}
