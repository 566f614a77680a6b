import type { Message } from '../message/message.ts';

/** Which messages of the channels that it follows a reader may have. */
export interface MessageFilter {
  /** Whether every message is allowed at the moment, so that `allows` need not be called. */
  readonly isQuiet: boolean;
  allows(message: Message): boolean;
}
