import type { Message } from '../message/message.ts';

/** What a reader may have of the channels that it follows. */
export interface MessageFilter {
  /** Every message is allowed, until something changes. */
  readonly isQuiet: boolean;
  allows(message: Message): boolean;
}
