import { SisyphusError } from '../errors.ts';

interface Waiting {
  begin: () => void;
  giveUp: (error: SisyphusError) => void;
}

/** Runs one act at a time. Of those that wait only the newest is kept: it would undo what the others do. */
export class NewestWaits {
  #isRunning = false;
  #waiting: Waiting | undefined;

  /** @throws SisyphusError `superseded` if a newer act has come while this one waited */
  async run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#isRunning) await this.#turn();
    this.#isRunning = true;
    try {
      return await act();
    } finally {
      const next = this.#waiting;
      this.#waiting = undefined;
      // It stays running for the one that begins now, so that nobody comes in between.
      this.#isRunning = next !== undefined;
      next?.begin();
    }
  }

  #turn(): Promise<void> {
    this.#waiting?.giveUp(new SisyphusError('superseded', 'a newer list has come: expected nobody to miss this one'));
    return new Promise((begin, giveUp) => {
      this.#waiting = { begin, giveUp };
    });
  }
}
