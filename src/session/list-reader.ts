import type { Rights, RightsReader } from '../backlog/backlog.ts';
import { BEGINNING } from '../message/position.ts';

/** The list of a reader for whom no list in the store counts. */
export const NO_LIST: Rights = {
  version: BEGINNING,
  channels: new Map(),
  changes: [],
  unsettled: false,
  problem: undefined,
};

/** Reads the list of one user from the store. */
export class ListReader {
  readonly #backlog: RightsReader;
  readonly #user: string | undefined;
  #isEnded = false;
  #reading: AbortController | undefined;

  /** @param user whose list it is; `undefined`: there is none that counts */
  constructor(backlog: RightsReader, user: string | undefined) {
    this.#backlog = backlog;
    this.#user = user;
  }

  /** @param size about how many channels are on the list, if that is known. @returns `undefined` if it has been ended meanwhile */
  async read(size: number | undefined): Promise<Rights | undefined> {
    if (this.#user === undefined) return NO_LIST;
    this.#reading ??= new AbortController();
    try {
      const [rights] = await this.#backlog.rights([{ user: this.#user, size, signal: this.#reading.signal }]);
      this.#reading = undefined;
      return rights;
    } catch (error) {
      if (this.#isEnded) return undefined;
      throw error;
    }
  }

  /** Aborts the request. */
  end(): void {
    this.#isEnded = true;
    this.#reading?.abort();
  }
}
