import type { Gap } from '../../hub/channel-source.ts';
import { BEGINNING, isAfter } from '../../message/position.ts';
import type { Witness } from '../../recorder/witness.ts';
import type { RecorderFunctions } from './recorder-functions.ts';

/** A fork in which more channels have lost a message is everybody's. */
const MOST_LOST = 501;

/** Tells the store which channels have lost a message, if it turns out to have lost what it gave out last. */
export class ForkTestimony {
  readonly #functions: RecorderFunctions;
  readonly #witness: Witness;
  /** Of the forks up to here it is said what is known of them. */
  #upTo = BEGINNING;

  constructor(functions: RecorderFunctions, witness: Witness) {
    this.#functions = functions;
    this.#witness = witness;
  }

  /** Of all forks that the store knows of. */
  async give(): Promise<void> {
    const { floor } = this.#witness;
    if (floor === BEGINNING) return;
    for (const gap of await this.#functions.gaps(floor)) await this.giveOf(gap);
  }

  async giveOf(gap: Gap): Promise<void> {
    const { reason, to, extent } = gap;
    if (reason !== 'forked' || extent === 'all' || extent === 'old' || !isAfter(to, this.#upTo)) return;
    const { channels, heardAll } = this.#witness.testify(gap);
    if (heardAll || channels.length > 0) {
      await this.#functions.reportLost(gap, heardAll ? 'heard' : 'some', channels.slice(0, MOST_LOST));
    }
    this.#upTo = to;
  }
}
