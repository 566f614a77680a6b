import type { Place } from './place.ts';
import type { Position } from './position.ts';
import type { RightsChange } from './rights-change.ts';

/** A published message, as it was recorded. */
export interface Message {
  readonly channel: string;
  readonly id: Position;
  /** 1, 2, 3, … in its channel. */
  readonly revision: number;
  /** The id of the previous message of its channel; `BEGINNING` for the first. A reader that has that message misses none. */
  readonly previous: Position;
  /** Where in Redis's order the message was published. Rights are checked at this place; delivery is in the order of ids. */
  readonly place: Place;
  readonly event: string | undefined;
  /** The text as bytes, as published. Empty if `oversize`. */
  readonly payload: Buffer;
  /** A plain PUBLISH over the size limit: it keeps its place in the order, and readers get a `reset` instead of its text. */
  readonly oversize: boolean;
  /** The `traceparent` of the request that published it, if it had one. */
  readonly trace: string | undefined;
  /** How the user's list changed; only on `user:<id>`. */
  readonly rights: RightsChange | undefined;
}

/** Distinguishes messages from the gaps and resets that are received in order with them: only a message has an id. */
export function isMessage(entry: object): entry is Message {
  return 'id' in entry;
}

/** Whether the message is the record of a plain PUBLISH, which gets its id later than its place. */
export function isPlain(message: Message): boolean {
  return message.place.number > 0;
}
