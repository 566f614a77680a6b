import type { Message } from '../message/message.ts';
import type { Position } from '../message/position.ts';

/** What one subscriber connection says, in Redis's order. */
export interface SourceListener {
  /** Connected; nothing is subscribed yet. */
  up(): void;
  /** The connection is gone, and with it every subscription. */
  down(): void;
  message(message: Message): void;
  /** A plain PUBLISH on `user:<id>`, heard before it is recorded. */
  plain(user: string, payload: Buffer): void;
  /** A marker came by: everything up to this position on the subscribed channels has been heard. */
  marked(position: Position): void;
}

/** What Redis says of itself at one moment. */
export interface Mark {
  /** The last id given out when the marker was published; `SourceListener.marked` brings it when it is heard. */
  position: Position;
  /** The id that began this life of the store; another one means that it has lost its memory. */
  born: Position;
  /** The id of the last message of each channel asked for, `BEGINNING` where there never was one. */
  heads: Position[];
}

/** What the hub needs from a store: to hear channels, in one order. */
export interface ChannelSource {
  start(listener: SourceListener): void;
  /**
   * Hears these channels from now on; for `user:<id>` also plain PUBLISHes. Settles when each is acknowledged.
   * Answers the channels that were refused (an ACL); rejects when the connection is lost.
   */
  subscribe(channels: string[]): Promise<string[]>;
  unsubscribe(channels: string[]): void;
  /** Publishes a marker to this source alone, and reads heads in the same atomic step. Rejects within 2 s. */
  mark(channels: string[]): Promise<Mark>;
  close(): Promise<void>;
}
