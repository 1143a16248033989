import type { ChunkName } from '@cropstream/broker';
import type { WantedChunk } from '@cropstream/schedule';
import type { Attachment } from './attachment.js';

export type Want = WantedChunk & { readonly name: ChunkName };

/** A chunk that is wanted, and the attachments that still wait for it; none where all were told of it. */
export interface WantedBy {
  readonly want: Want;
  readonly by: readonly Attachment[];
}

/**
 * The wants of a run, each chunk once: the earliest step first, then the ranks in turn. Whoever was told of a chunk asks
 * no more of it, wherever it lies or not, so those are left out unless `told` is set.
 */
export function inOrder(attachments: readonly Attachment[], told: boolean): ReadonlyMap<ChunkName, WantedBy> {
  const bySteps = new Map<number, Found[]>();
  for (const attachment of attachments.toSorted((a, b) => a.rank - b.rank)) {
    let at = -1;
    let turn = 0;
    for (const want of attachment.wants) {
      const awaits = attachment.awaits(want.name);
      if (!told && !awaits) continue;
      turn = want.step === at ? turn + 1 : 0;
      at = want.step;
      const found = { want, by: awaits ? [attachment] : [], turn };
      const others = bySteps.get(at);
      if (others) others.push(found);
      else bySteps.set(at, [found]);
    }
  }
  const wants = new Map<ChunkName, { readonly want: Want; readonly by: Attachment[] }>();
  for (const step of [...bySteps.keys()].sort((a, b) => a - b)) {
    // Stable: the ranks stay in order.
    for (const { want, by } of bySteps.get(step)!.sort((a, b) => a.turn - b.turn)) {
      const known = wants.get(want.name);
      if (known) known.by.push(...by);
      else wants.set(want.name, { want, by });
    }
  }
  return wants;
}

interface Found {
  readonly want: Want;
  /** The attachment that wants it, if it still waits for it. */
  readonly by: Attachment[];
  /** Which of its rank's chunks of that step. */
  readonly turn: number;
}
