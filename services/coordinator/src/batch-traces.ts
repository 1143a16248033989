import type { AttachmentRecord } from '@cropstream/broker';
import type { Span, Tracer } from '@cropstream/runtime';

/** A rank's batches as traces: each begins with the credit for it and ends when the trainer says that it has taken it. */
export class BatchTraces {
  /** By step, as many as the window holds; null: not sampled. */
  readonly #spans = new Map<number, Span | null>();

  constructor(
    private readonly tracer: Tracer,
    private readonly whose: () => AttachmentRecord,
  ) {}

  /** The trainer has taken what lies before `nextStep`, and has room up to `windowEnd`. */
  advance(nextStep: number, windowEnd: number, waitedSeconds: number): void {
    for (const [step, span] of this.#spans) {
      if (step >= nextStep && step < windowEnd) continue;
      this.#spans.delete(step);
      span?.set({ 'cropstream.waited_seconds': waitedSeconds });
      span?.end(step < nextStep ? undefined : 'the trainer went to another step');
    }
    for (let step = nextStep; step < windowEnd; step++) {
      if (this.#spans.has(step)) continue;
      const { runName, consumer, rank, worldSize } = this.whose();
      const attributes = {
        'cropstream.run': runName,
        'cropstream.consumer': consumer,
        'cropstream.rank': rank,
        'cropstream.world_size': worldSize,
        'cropstream.step': step,
      };
      this.#spans.set(step, this.tracer.start('batch', { attributes }));
    }
  }

  of(step: number): string | undefined {
    return this.#spans.get(step)?.traceparent;
  }

  end(problem: string): void {
    for (const span of this.#spans.values()) span?.end(problem);
    this.#spans.clear();
  }
}
