import type { Message } from '../message/message.ts';
import type { Position } from '../message/position.ts';

/** Which messages of the channels that it follows a reader may have. */
export interface MessageFilter {
  /** Whether every message is allowed at the moment, so that `allows` need not be called. */
  readonly isQuiet: boolean;
  allows(message: Message): boolean;
}

/** The channels that a reading follows, and which of their messages its reader may have. */
export interface Channels extends MessageFilter {
  /** Each channel once. */
  readonly followed: Iterable<string>;
  /** The position from which the channel has to be read: no message between `position` and this one is for the reader. */
  startOf(channel: string, position: Position): Position;
  /** The channels that the client has asked for and may not read at the moment. */
  readonly denied: readonly string[];
  /** Whether the channels have to be looked up before another message is given to the client. */
  readonly isStale: boolean;
}
