import type { Message } from '../message/message.ts';
import type { Position } from '../message/position.ts';
import type { Wanted } from './wanted.ts';

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
  /** What has to be read of the channel, for a reader that has come to `position`: from there, from a later grant, or see `Wanted.before`. */
  owedOf(channel: string, position: Position): Wanted;
  /** The channels that the client has asked for and may not read at the moment. */
  readonly denied: readonly string[];
  /** Whether the channels have to be looked up before another message is given to the client. */
  readonly isStale: boolean;
}
