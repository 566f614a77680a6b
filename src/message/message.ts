import type { Position } from './position.ts';

/** How a user's list of channels changed with a message on the user's own channel. */
export interface RightsChange {
  /** The version of the list before this message and with it; equal where nothing changed. */
  before: Position;
  now: Position;
  /** What came and what went, or `undefined` where the list has to be read (too many changes, or no list known before). */
  added: string[] | undefined;
  removed: string[] | undefined;
  /** Made in the very command that published the message (`sisyphus_grant`, `sisyphus_revoke`): it counts from there. */
  atomic: boolean;
}

/** What was published, as it was recorded. */
export interface Message {
  readonly channel: string;
  readonly id: Position;
  /** 1, 2, 3, … in its channel. */
  readonly revision: number;
  /** The id of the message before it in its channel; `BEGINNING` for the first. A reader that has that one misses nothing. */
  readonly previous: Position;
  /**
   * For a plain PUBLISH: the last id that was recorded when it was published, so that it has a place among the others
   * in Redis's order although its own id came later. `undefined` for what was published by script.
   */
  readonly after: Position | undefined;
  readonly event: string | undefined;
  /** The text as bytes, as published. Empty where `oversize`. */
  readonly payload: Buffer;
  /** A plain PUBLISH over the limit: it has its place in the order, and readers get a `reset` instead of its text. */
  readonly oversize: boolean;
  /** Only on `user:<id>`. */
  readonly rights: RightsChange | undefined;
  /** Encoded once, by the first stream that needs it. */
  rawFrame?: Buffer;
  jsonFrame?: Buffer;
  /** It goes to so many streams that one which gets something for itself should not wait behind them. */
  crowd?: boolean;
}

/** Among what else is heard in its order (gaps, resets): only a message has an id. */
export function isMessage(entry: object): entry is Message {
  return 'id' in entry;
}

/** What tells where in Redis's order something was published. */
export type PublishedAt = Pick<Message, 'id' | 'after'>;

/**
 * Whether `message` was published after `mark` by Redis's order, whichever way each of them was published.
 *
 * Two scripts, or two plain PUBLISHes, are in the order of their ids. A plain one stands right behind the script
 * publish it names in `after`, so it precedes every script publish with a later id.
 */
export function wasPublishedAfter(message: Message, mark: PublishedAt): boolean {
  if (message.after === undefined) return message.id > (mark.after ?? mark.id);
  if (mark.after === undefined) return message.after >= mark.id;
  return message.id > mark.id;
}
