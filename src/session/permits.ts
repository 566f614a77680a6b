import { ALL, type Count, type Limits } from '../limits/limits.ts';

/** The variable with the limit that leaves no room for another stream. */
export type Full = 'SISYPHUS_MAX_STREAMS' | 'SISYPHUS_MAX_STREAMS_PER_ADDRESS';

export interface PermitsOptions {
  limits: Limits;
  maxStreams: number;
  maxStreamsPerAddress: number;
  /** Called if there is no room. */
  onFull: () => void;
}

/** The permission to have one stream. */
export class Permit {
  readonly #address: string | undefined;
  /** `undefined`: it was given back. */
  #permits: Permits | undefined;

  constructor(permits: Permits, address: string | undefined) {
    this.#permits = permits;
    this.#address = address;
  }

  /** Gives it back. May be called twice. */
  release(): void {
    this.#permits?.end(this.#address);
    this.#permits = undefined;
  }
}

/** Counts the open streams, all together and those of each client address. */
export class Permits {
  readonly #onFull: () => void;
  readonly #streams: Count;
  readonly #perAddress: Count;

  constructor({ limits, maxStreams, maxStreamsPerAddress, onFull }: PermitsOptions) {
    this.#onFull = onFull;
    this.#streams = limits.count('streams', maxStreams);
    this.#perAddress = limits.count('streams of an address', maxStreamsPerAddress);
  }

  /** Whether it is known already that there is no room for a stream of the address. */
  isFull(address: string): boolean {
    const isFull = this.#perAddress.isFull(address);
    if (isFull) this.#onFull();
    return isFull;
  }

  /** @param address by what the client's address is counted, if it is */
  async take(address: string | undefined): Promise<Permit | Full> {
    if (address !== undefined && !(await this.#perAddress.acquire(address))) {
      return this.#refuse('SISYPHUS_MAX_STREAMS_PER_ADDRESS');
    }
    if (await this.#streams.acquire(ALL)) return new Permit(this, address);
    if (address !== undefined) this.#perAddress.release(address);
    return this.#refuse('SISYPHUS_MAX_STREAMS');
  }

  /** Called by a permit that is given back. */
  end(address: string | undefined): void {
    if (address !== undefined) this.#perAddress.release(address);
    this.#streams.release(ALL);
  }

  #refuse(limit: Full): Full {
    this.#onFull();
    return limit;
  }
}
