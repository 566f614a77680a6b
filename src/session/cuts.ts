import { type Message, wasPublishedAfter } from '../message/message.ts';

/** A channel was granted or revoked with this message. */
export interface Cut {
  channel: string;
  kind: 'granted' | 'revoked';
  mark: Message;
  /** When no message from before the cut can still be on its way to be recorded (ms). */
  until: number;
}

/**
 * Where, in Redis's order, the rights to a channel began or ended a short while ago.
 *
 * A plain PUBLISH is recorded a little after it was made: one from before a revocation may arrive behind it and is still
 * owed, one from before a grant may and is not. So each message is judged by where it was published, until nothing
 * from before the cut can come any more.
 */
export class Cuts {
  #cuts: Cut[] = [];
  /** As it is nearly always; told here because it is asked with each message of each reader. */
  isEmpty = true;

  add(cut: Cut): void {
    this.#cuts.push(cut);
    this.isEmpty = false;
  }

  /** Whether the user had the right to the channel when this was published; the last cut before it decides. */
  allow(message: Message): boolean {
    let first: Cut | undefined;
    let last: Cut | undefined;
    for (const cut of this.#cuts) {
      if (cut.channel !== message.channel) continue;
      first ??= cut;
      if (wasPublishedAfter(message, cut.mark)) last = cut;
    }
    if (last) return last.kind === 'granted';
    return first?.kind !== 'granted';
  }

  /** Forgets cuts that are past; answers the channels that end with them. */
  expire(now: number): string[] {
    const past = new Set(this.#cuts.filter(({ until }) => until <= now).map(({ channel }) => channel));
    // A channel is judged by all of its cuts, or by none.
    for (const { channel, until } of this.#cuts) if (until > now) past.delete(channel);
    return this.forget(past);
  }

  /** Forgets these channels; answers those that were revoked last. */
  forget(channels: Set<string>): string[] {
    const lasts = new Map<string, Cut>();
    for (const cut of this.#cuts) if (channels.has(cut.channel)) lasts.set(cut.channel, cut);
    this.#cuts = this.#cuts.filter(({ channel }) => !channels.has(channel));
    this.isEmpty = this.#cuts.length === 0;
    return [...lasts.values()].filter(({ kind }) => kind === 'revoked').map(({ channel }) => channel);
  }

  /** Channels that are still followed for what was published before they were revoked. */
  get ending(): string[] {
    return this.#cuts.filter(({ kind }) => kind === 'revoked').map(({ channel }) => channel);
  }
}
