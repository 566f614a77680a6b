import type { Place } from './place.ts';
import type { Position } from './position.ts';
import type { RightsChange } from './rights-change.ts';

/** What was published, as it was recorded. */
export interface Message {
  readonly channel: string;
  readonly id: Position;
  /** 1, 2, 3, … in its channel. */
  readonly revision: number;
  /** The id of the message before it in its channel; `BEGINNING` for the first. A reader that has that one misses nothing. */
  readonly previous: Position;
  /** Where in Redis's order it was published. By it the message is judged; it is delivered in the order of ids. */
  readonly place: Place;
  readonly event: string | undefined;
  /** The text as bytes, as published. Empty where `oversize`. */
  readonly payload: Buffer;
  /** A plain PUBLISH over the limit: it has its place in the order, and readers get a `reset` instead of its text. */
  readonly oversize: boolean;
  /** Only on `user:<id>`. */
  readonly rights: RightsChange | undefined;
}

/** Among what else is heard in its order (gaps, resets): only a message has an id. */
export function isMessage(entry: object): entry is Message {
  return 'id' in entry;
}

/** Whether it is the record of a plain PUBLISH: those get their id later than their place. */
export function isPlain(message: Message): boolean {
  return message.place.number > 0;
}
