import type { Clock } from '@cropstream/runtime';

/** One direction of a connection: what is sent arrives later, in the order sent, until it is cut. */
export class Lane {
  #lastArrival = 0;
  #inFlight = 0;
  #cut = false;

  constructor(private readonly clock: Clock) {}

  /** Sent and not arrived. */
  get inFlight(): number {
    return this.#inFlight;
  }

  send(delayMs: number, arrive: () => void): void {
    const now = this.clock.now();
    this.#lastArrival = Math.max(this.#lastArrival, now + delayMs);
    this.#inFlight++;
    this.clock.timer(this.#lastArrival - now, () => {
      this.#inFlight--;
      if (!this.#cut) arrive();
    });
  }

  /** What is under way is lost, and so is what is sent from now on. */
  cut(): void {
    this.#cut = true;
  }
}
