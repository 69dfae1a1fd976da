// How long ago something was, by the best that browsers offer for a clock that runs on in sleep.

/**
 * performance.now() cannot be set, but in most browsers (Chrome and Firefox on Linux and macOS) it stands still while the computer
 * sleeps. Date.now() runs on in sleep, but can be set. The longer of the two spans counts: sleep is seen by the one, a clock that was
 * set back by the other; one that was set forward only ends things early. What neither sees, sleep with a clock set back meanwhile, the
 * other end and the relay still see by theirs.
 */
export class Elapsed {
  readonly #steady: number;
  readonly #date: number;
  readonly #clock: Clock;

  constructor(clock: Clock = browserClock) {
    this.#clock = clock;
    this.#steady = clock.steady();
    this.#date = clock.date();
  }

  /** Milliseconds since this was made. */
  get ms(): number {
    return Math.max(0, this.#clock.steady() - this.#steady, this.#clock.date() - this.#date);
  }
}

export interface Clock {
  steady(): number;
  date(): number;
}

export const browserClock: Clock = { steady: () => performance.now(), date: () => Date.now() };
