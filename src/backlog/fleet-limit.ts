/** All gateways of an installation that report their streams and are not being stopped, this one included. All workers of one count as one. */
export interface Fleet {
  gateways: number;
  streams: number;
  /** The streams of the gateway that has the fewest. */
  least: number;
  /** The streams of this gateway: those of all its workers together. */
  own: number;
}

/** The streams of each user at this gateway. */
export interface LocalStreams {
  /** How many streams this process has; `undefined` if nobody should be sent to its gateway, because it is being stopped. */
  total(): number | undefined;
  /** Called about every 700 ms, but not while this gateway is being stopped. */
  onFleet(fleet: Fleet): void;
  users(): Iterable<string>;
  /** How many streams the user has at this gateway, with those for which `FleetLimit.admits` has not answered yet. */
  streamsOf(user: string): number;
  /** Called if a stream of a user of this gateway was refused elsewhere: readers that have gone should be found soon. */
  search(): void;
}

/** Limits the streams of each user over all gateways that share a store. */
export interface FleetLimit {
  /** To be called once, before any other method. */
  follow(local: LocalStreams): void;
  /**
   * Whether the user may have one more stream, which `LocalStreams` counts already. `false` only if the store has answered so, more than
   * once: if the store is away or refuses the call, nobody is turned away for it, and the limit counts for each gateway alone.
   *
   * @param isGone whether the stream has ended meanwhile, and is no longer counted by `LocalStreams`
   */
  admits(user: string, isGone: () => boolean): Promise<boolean>;
  /** To be called after a stream of the user has ended. */
  closed(user: string): void;
}
