import type { MessageFrame } from './frames.ts';
import { MOST_HELD } from './limits.ts';
import { Loader, type LoaderOptions } from './loader.ts';

/**
 * The loads of a stream, and the messages that wait until the state of their channel is loaded.
 *
 * Invariant: messages of a channel are held only while a loader waits for it, and are given in their order when none does any more.
 */
export class Loads {
  readonly #give: (message: MessageFrame) => void;
  readonly #loaders = new Set<Loader<never>>();
  readonly #held = new Map<string, MessageFrame[]>();

  constructor(give: (message: MessageFrame) => void) {
    this.#give = give;
  }

  /** @returns a function that ends the loading */
  add<State>(options: Omit<LoaderOptions<State>, 'loaded'>, isLive: boolean): () => void {
    const loader = new Loader<State>({ ...options, loaded: (channels) => this.#release(channels) });
    this.#loaders.add(loader as Loader<never>);
    if (isLive) loader.begin();
    return () => {
      this.#loaders.delete(loader as Loader<never>);
      loader.close();
    };
  }

  /** The stream is live. */
  begin(): void {
    for (const loader of this.#loaders) loader.begin();
  }

  take(message: MessageFrame): void {
    const { channel } = message;
    const held = this.#held.get(channel) ?? [];
    if (!this.#isWaiting(channel)) this.#give(message);
    else if (held.push(message) > MOST_HELD) this.reset(channel);
    else this.#held.set(channel, held);
  }

  /** Throws away the messages that are held, because the state that is loaded after the reset is newer. */
  reset(channel: string): void {
    for (const loader of this.#loaders) loader.reset(channel);
    this.#held.delete(channel);
  }

  /** Ends all loads, and gives none of the messages that are held. */
  close(): void {
    this.#held.clear();
    for (const loader of this.#loaders) loader.close();
    this.#loaders.clear();
  }

  #isWaiting(channel: string): boolean {
    return [...this.#loaders].some((loader) => loader.isWaiting(channel));
  }

  #release(channels: string[]): void {
    const messages: MessageFrame[] = [];
    for (const channel of channels) {
      if (this.#isWaiting(channel)) continue;
      messages.push(...(this.#held.get(channel) ?? []));
      this.#held.delete(channel);
    }
    for (const message of messages.sort((one, other) => +one.id - +other.id)) this.#give(message);
  }
}
