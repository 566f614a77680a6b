import type { Message } from './message.ts';

/** What a stream sends for a message, in each format; encoded by the first stream that needs it. */
export interface Frames {
  raw: Buffer | undefined;
  json: Buffer | undefined;
}

/**
 * A message on its way to readers. There is one delivery for all readers of a fan-out: what is worked out for the first of them is
 * there for the others, and the message stays as it was published.
 */
export class Delivery {
  readonly message: Message;
  /** It goes to so many streams that one which gets something for itself should not wait behind them. */
  readonly crowd: boolean;
  readonly frames: Frames = { raw: undefined, json: undefined };

  constructor(message: Message, crowd = false) {
    this.message = message;
    this.crowd = crowd;
  }
}

/** Among resets: only a delivery has a message. */
export function isDelivery(entry: object): entry is Delivery {
  return 'message' in entry;
}
