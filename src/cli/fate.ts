import type { Message } from '../message/message.ts';
import { placeOf } from '../message/place.ts';
import { isAfter, type Position } from '../message/position.ts';

/** A stream as a gateway describes it. */
export interface SeenStream {
  gateway: string;
  /** Gateways of the version before do not say it. */
  transport?: string;
  since: string;
  ended?: string;
  reason?: string;
  start?: string;
  from?: Position | undefined;
  seam?: Position | undefined;
  position?: Position | undefined;
  /** Whether the stream reads the channel now. */
  reads?: boolean;
}

/** What is known of the user's right to the channel. */
export interface Right {
  /** Whether the user had it when the message was published. */
  allows(message: Message): boolean;
  /** Whether the user has it now. */
  now: boolean;
}

/** What happened to a message on one stream, and the words for it. */
export const FATES = {
  live: 'was written, as it was published',
  replayed: 'was written when the stream opened, with what was missed',
  no_right: 'was not written: the user had no right to the channel at the place of the message',
  no_right_later: 'was not replayed: when the stream opened, the user had the right no more',
  not_read: 'was not written: the stream does not read this channel',
  not_yet: 'was not written yet: the gateway holds it, or has not heard it',
  before: 'was not owed: the client asked only for what is later',
  closed_before: 'was not written: the stream ended before',
  not_begun: 'was not written: the stream has not begun',
  refused: 'was not written: the stream was refused, or ended, before it began',
} as const;

export type Fate = keyof typeof FATES;

/**
 * What happened to the message on the stream. It follows from three ids: a client was sent everything up to its position that its rights
 * allowed, what lies up to the seam was replayed, and nothing up to `from` was asked for.
 */
export function fateOf(stream: SeenStream, message: Message, right: Right): Fate {
  const { from, seam, position, ended, reads } = stream;
  const { id } = message;
  if (from === undefined || seam === undefined || position === undefined)
    return ended === undefined ? 'not_begun' : 'refused';
  if (!isAfter(id, from)) return 'before';
  if (!right.allows(message)) return 'no_right';
  if (ended === undefined && reads === false && right.now) return 'not_read';
  if (isAfter(id, position)) return ended === undefined ? 'not_yet' : 'closed_before';
  if (isAfter(id, seam)) return 'live';
  // A change that has the seam as its own id was known when the stream opened: it is the last of what the replay went by.
  const behindSeam = { ...placeOf(seam), number: 1 };
  return right.allows({ ...message, place: behindSeam }) ? 'replayed' : 'no_right_later';
}

/** The fate that answers the question, if the user had several streams: being written on one of them is what counts. */
export function verdictOf(fates: Fate[]): Fate | undefined {
  const order = Object.keys(FATES) as Fate[];
  return order.find((fate) => fates.includes(fate));
}
