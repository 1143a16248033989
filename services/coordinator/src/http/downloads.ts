import { Readable } from 'node:stream';
import { failure } from '@cropstream/errors';

/** Replayed batches that are held in memory while their readers take them: a few at once. */
export class Downloads {
  #underWay = 0;

  constructor(private readonly limit: number) {}

  /**
   * One more; returns what to call when it is over, as often as one likes.
   *
   * @throws API_BUSY
   */
  begin(): () => void {
    if (this.#underWay >= this.limit) {
      throw failure('API_BUSY', { what: 'replayed batches under way', limit: this.limit });
    }
    this.#underWay++;
    let over = false;
    return () => {
      if (!over) this.#underWay--;
      over = true;
    };
  }

  /** The pieces one after the other, each let go of when it was taken. */
  streamOf(pieces: Uint8Array[]): Readable {
    return Readable.from(drain(pieces), { objectMode: false });
  }
}

function* drain(pieces: Uint8Array[]): Generator<Uint8Array> {
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) yield piece;
}
