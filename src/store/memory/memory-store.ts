import type { Retention } from '../../backlog/backlog.ts';
import type { Store } from '../store.ts';
import { MemoryBacklog } from './memory-backlog.ts';
import { MemoryLog } from './memory-log.ts';
import { MemorySource } from './memory-source.ts';

export interface MemoryStoreOptions {
  retention: (channel: string) => Retention;
  /** Bytes. */
  maxMessage: number;
  /** Milliseconds. */
  now?: () => number;
}

/** Everything in this process: nothing to install, nothing kept when it ends, and nobody else can publish here. */
export class MemoryStore implements Store {
  readonly kind = 'memory';
  readonly source: MemorySource;
  readonly backlog: MemoryBacklog;
  #closed = false;

  constructor({ retention, maxMessage, now = Date.now }: MemoryStoreOptions) {
    const log = new MemoryLog(retention, now);
    this.source = new MemorySource(log);
    this.backlog = new MemoryBacklog({ log, tell: (message) => this.source.publish(message), maxMessage, now });
  }

  async ping(): Promise<boolean> {
    return !this.#closed;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.source.close();
  }
}
