import type { ChannelSource, Mark, SourceListener } from '../../hub/channel-source.ts';
import type { Disconnect } from '../../message/disconnect.ts';
import type { Message } from '../../message/message.ts';
import type { MemoryLog } from './memory-log.ts';

/** Takes the place of a subscriber connection: the listener receives events in their order, after the calls that made them return. */
export class MemorySource implements ChannelSource {
  readonly #log: MemoryLog;
  readonly #channels = new Set<string>();
  #listener: SourceListener | undefined;
  /** The events of this turn of the event loop, delivered before the next turn. */
  #events: ((listener: SourceListener | undefined) => void)[] = [];

  constructor(log: MemoryLog) {
    this.#log = log;
  }

  start(listener: SourceListener): void {
    this.#listener = listener;
    process.nextTick(() => {
      if (!this.#log.closed) listener.up();
    });
  }

  /** Answers an empty list: no channel is ever refused. */
  async subscribe(channels: string[]): Promise<string[]> {
    this.#log.requireOpen();
    for (const channel of channels) this.#channels.add(channel);
    await this.#heard();
    return [];
  }

  unsubscribe(channels: string[]): void {
    for (const channel of channels) this.#channels.delete(channel);
  }

  async mark(channels: string[]): Promise<Mark> {
    this.#log.requireOpen();
    const position = this.#log.last;
    const heads = channels.map((channel) => this.#log.headOf(channel));
    await this.#heard();
    return { position, born: this.#log.born, gaps: [], heads };
  }

  /** Called for each message, in the order of ids. */
  publish(message: Message): void {
    if (this.#channels.has(message.channel)) this.#happened((listener) => listener?.message(message));
  }

  disconnect(disconnect: Disconnect): void {
    this.#happened((listener) => listener?.disconnected(disconnect));
  }

  /** Waits for nothing: the store in memory has no plain PUBLISH. */
  async settle(): Promise<void> {}

  /** Does nothing: memory has no replicas that could take over without the last writes. */
  async reportLost(): Promise<void> {}

  async close(): Promise<void> {
    this.#log.close();
    this.#channels.clear();
  }

  /** Settles when all events so far have been delivered. */
  #heard(): Promise<void> {
    return new Promise((resolve) => this.#happened(() => resolve()));
  }

  #happened(event: (listener: SourceListener | undefined) => void): void {
    if (this.#events.push(event) === 1) queueMicrotask(() => this.#tell());
  }

  #tell(): void {
    const events = this.#events;
    this.#events = [];
    for (const event of events) event(this.#log.closed ? undefined : this.#listener);
  }
}
