import type { Message } from './message.ts';

/** The encoded message in each format; the first stream that needs a format encodes it. */
export interface Frames {
  raw: Buffer | undefined;
  json: Buffer | undefined;
  frames: Buffer | undefined;
  /** In the answer to a long poll, which has the messages of several channels. */
  item: string | undefined;
}

/**
 * A message on its way to readers. All readers of a fan-out share one delivery: the frames encoded for the first reader are
 * reused for the others, and the message stays as it was published.
 */
export class Delivery {
  readonly message: Message;
  /** The message goes to so many streams that a stream with something of its own to send should not wait behind them. */
  readonly crowd: boolean;
  readonly frames: Frames = { raw: undefined, json: undefined, frames: undefined, item: undefined };

  constructor(message: Message, crowd = false) {
    this.message = message;
    this.crowd = crowd;
  }
}

/** Tells deliveries from resets: only a delivery has a message. */
export function isDelivery(entry: object): entry is Delivery {
  return 'message' in entry;
}
