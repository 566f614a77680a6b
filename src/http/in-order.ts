import { within } from '../patience.ts';

/** How long a request waits for those before it (ms): one whose body does not come must not keep the others. */
const PATIENCE = 2000;

/** Lets requests of one name go on in the order in which they came, although each has to wait for other things first. */
export class InOrder {
  readonly #patience: number;
  readonly #last = new Map<string, Promise<void>>();

  constructor(patience = PATIENCE) {
    this.#patience = patience;
  }

  /**
   * To be called when the request comes.
   *
   * @returns `turn` settles when all earlier requests of the name are done; `done` has to be called in any case
   */
  enter(name: string): { turn: () => Promise<void>; done: () => void } {
    const before = this.#last.get(name);
    let end: () => void = () => undefined;
    const mine = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#last.set(name, mine);
    return {
      turn: async () => {
        if (before) await within(this.#patience, before);
      },
      done: () => {
        end();
        if (this.#last.get(name) === mine) this.#last.delete(name);
      },
    };
  }
}
