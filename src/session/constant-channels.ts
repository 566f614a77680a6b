import { channelOfUser } from '../message/names.ts';

export interface ConstantChannelsOptions {
  /** `undefined`: nobody, who may read public channels only. */
  user: string | undefined;
  /** Channels that may be read for as long as the session lasts: those of the credential, and public ones. */
  granted?: readonly string[];
  /** The channels that the request names: only these are read. `undefined`: all that the user may read. */
  named?: ReadonlySet<string> | undefined;
}

/** The channels of a reader that no list decides about: the user's own, those of the credential, and public ones. */
export class ConstantChannels {
  /** The user's own channel. It is followed even if it is not named, because its messages tell of changes of rights. */
  readonly own: string | undefined;
  readonly #granted: ReadonlySet<string> | undefined;
  readonly #named: ReadonlySet<string> | undefined;

  constructor({ user, granted = [], named }: ConstantChannelsOptions) {
    this.own = user === undefined ? undefined : channelOfUser(user);
    this.#named = named;
    const others = granted.filter((channel) => channel !== this.own && this.isNamed(channel));
    // Most readers have none, and each of many idle streams would have an empty set.
    if (others.length === 0) return;
    const different = new Set(others);
    // Most polls may read every channel that they name. Then both are one set, because a second one for each poll would cost memory.
    this.#granted = different.size === named?.size ? named : different;
  }

  /** How many there are, apart from the user's own. */
  get size(): number {
    return this.#granted?.size ?? 0;
  }

  /** Whether no list has to be asked for any of the named channels. */
  get hasAllNamed(): boolean {
    if (!this.#named) return true;
    return this.size + (this.own !== undefined && this.isOwnWanted ? 1 : 0) === this.#named.size;
  }

  /** Whether the messages on the user's own channel are for the client; `true` if there is none. */
  get isOwnWanted(): boolean {
    return this.own === undefined || this.isNamed(this.own);
  }

  /** The channels whose messages are for the client. */
  get read(): string[] {
    const own = this.own !== undefined && this.isOwnWanted ? [this.own] : [];
    return [...own, ...(this.#granted ?? [])];
  }

  /** The same, and the user's own channel also if it is not named. */
  get followed(): string[] {
    return this.own === undefined || this.isOwnWanted ? this.read : [this.own, ...this.read];
  }

  /** How many there are together with these, apart from the user's own. */
  sizeWith(others: Iterable<string>): number {
    return [...others].filter((channel) => !this.has(channel)).length + this.size;
  }

  has(channel: string): boolean {
    return channel === this.own || (this.#granted?.has(channel) ?? false);
  }

  isNamed(channel: string): boolean {
    return this.#named?.has(channel) ?? true;
  }

  /** The named channels that are not among these. */
  missingIn(channels: ReadonlySet<string>): string[] {
    return [...(this.#named ?? [])].filter((channel) => !channels.has(channel));
  }
}
