import type { Redis } from 'ioredis';
import type { SourceListener } from '../../hub/channel-source.ts';
import { parseEnvelope, parseNote } from '../../message/envelope.ts';
import { userOfChannel } from '../../message/names.ts';
import type { Parts } from './parts.ts';
import type { PlausibleIds } from './plausible-ids.ts';
import { isAccessRefusal } from './redis-error.ts';

/** Channels in one SUBSCRIBE: about a millisecond of Redis's time. */
const CHUNK = 1000;

export interface HeardChannelsOptions extends Pick<Parts, 'keys' | 'names' | 'logger'> {
  redis: Redis;
  plausible: PlausibleIds;
}

/** The hub's subscriptions: each channel is subscribed under the names that it has in Redis. */
export class HeardChannels {
  readonly #options: HeardChannelsOptions;
  /** From the name of a topic, or of a plain channel, to the channel. */
  readonly #channels = new Map<string, string>();

  constructor(options: HeardChannelsOptions) {
    this.#options = options;
  }

  /** Answers the channels that were refused. */
  async subscribe(channels: string[]): Promise<string[]> {
    const refused: string[] = [];
    for (let at = 0; at < channels.length; at += CHUNK) {
      refused.push(...(await this.#subscribeChunk(channels.slice(at, at + CHUNK))));
    }
    return refused;
  }

  unsubscribe(channels: string[]): void {
    const { redis } = this.#options;
    const names = channels.flatMap((channel) => this.#namesOf(channel));
    for (const name of names) this.#channels.delete(name);
    // If this fails, the connection is gone, and the subscriptions with it.
    if (names.length > 0 && redis.status === 'ready') redis.unsubscribe(...names).catch(() => undefined);
  }

  /** The connection is gone, and with it every subscription. */
  end(): void {
    this.#channels.clear();
  }

  hear(listener: SourceListener, name: string, payload: Buffer): void {
    const { keys, plausible, logger } = this.#options;
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    if (!name.startsWith(keys.topicPrefix)) {
      listener.plain(userOfChannel(channel)!, payload);
      return;
    }
    const change = parseNote(payload);
    if (change) {
      const user = userOfChannel(channel);
      if (user !== undefined) listener.changed(user, change);
      return;
    }
    try {
      const message = parseEnvelope(channel, payload);
      listener.message(message, !plausible.has(message.id));
    } catch (error) {
      // Another client has published on our topic. If a message is missing, `previous` of the next message shows it.
      logger.error({ event: 'envelope_unreadable', channel, reason: (error as Error).message });
    }
  }

  /** Subscribes all in one command; if that is denied, each alone, so that one denied channel affects no other. */
  async #subscribeChunk(channels: string[]): Promise<string[]> {
    try {
      await this.#subscribeNames(channels);
      return [];
    } catch (error) {
      if (!isAccessRefusal(error)) throw error;
    }
    const refused: string[] = [];
    for (const channel of channels) {
      await this.#subscribeNames([channel]).catch((error: Error) => {
        if (!isAccessRefusal(error)) throw error;
        this.#options.logger.warn({ event: 'channel_refused', channel, reason: error.message });
        refused.push(channel);
      });
    }
    return refused;
  }

  async #subscribeNames(channels: string[]): Promise<void> {
    const names = channels.flatMap((channel) => this.#namesOf(channel).map((name) => [name, channel] as const));
    for (const [name, channel] of names) this.#channels.set(name, channel);
    await this.#options.redis.subscribe(...names.map(([name]) => name));
  }

  /** The names to subscribe. For a user's own channel also the plain one: a grant counts from its PUBLISH, not from its record. */
  #namesOf(channel: string): string[] {
    const { keys, names } = this.#options;
    const topic = keys.topic(channel);
    return userOfChannel(channel) === undefined ? [topic] : [topic, ...names.namesOf(channel)];
  }
}
