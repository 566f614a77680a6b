import type { Gap } from '../../hub/channel-source.ts';
import { BEGINNING, isAfter } from '../../message/position.ts';
import type { Witness } from '../../recorder/witness.ts';
import type { RecorderFunctions } from './recorder-functions.ts';

/** The most channels that are reported: one more than the library names for a fork, so that the fork becomes one of all channels. */
const MOST_LOST = 501;

/** Reports to the store which channels have lost messages in a fork: the store has lost the ids that it assigned last. */
export class ForkTestimony {
  readonly #functions: RecorderFunctions;
  readonly #witness: Witness;
  /** This gateway has reported what it knows about every fork that ended at or before this position. */
  #upTo = BEGINNING;

  constructor(functions: RecorderFunctions, witness: Witness) {
    this.#functions = functions;
    this.#witness = witness;
  }

  /** Reports on all forks that the store knows. */
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
