import type { Retention } from '../../backlog/backlog.ts';
import type { Position } from '../../message/position.ts';
import type { Store } from '../store.ts';
import { MemoryBacklog } from './memory-backlog.ts';
import { MemoryCollections } from './memory-collections.ts';
import { MemoryLog } from './memory-log.ts';
import { MemorySource } from './memory-source.ts';
import { MemoryTokens } from './memory-tokens.ts';

export interface MemoryStoreOptions {
  retention: (channel: string) => Retention;
  /** Bytes. */
  maxMessage: number;
  /** The collections that there are; none by default. */
  collections?: readonly { name: string; key: string; ttl?: number | undefined }[];
  /** Milliseconds. */
  now?: () => number;
}

/** A store in this process: there is nothing to install, nothing is kept when it ends, and no other process can publish. */
export class MemoryStore implements Store {
  readonly kind = 'memory';
  readonly source: MemorySource;
  readonly backlog: MemoryBacklog;
  readonly collections: MemoryCollections;
  readonly tokens: MemoryTokens;
  readonly plain = undefined;
  readonly polls = undefined;
  readonly inbox = undefined;
  readonly settings = undefined;
  readonly fleetLimit = undefined;
  readonly reports = undefined;
  readonly direct = undefined;
  readonly isSettled = true;
  readonly maxMessage: number;
  readonly retention: MemoryStoreOptions['retention'];
  readonly #log: MemoryLog;

  constructor({ retention, maxMessage, collections = [], now = Date.now }: MemoryStoreOptions) {
    this.maxMessage = maxMessage;
    this.retention = retention;
    this.#log = new MemoryLog(retention, now);
    this.source = new MemorySource(this.#log);
    this.backlog = new MemoryBacklog({
      log: this.#log,
      tell: (message) => this.source.publish(message),
      disconnect: (user) => this.source.disconnect({ user, at: performance.now() }),
      maxMessage,
      now,
    });
    this.collections = new MemoryCollections({
      log: this.#log,
      tell: (message) => this.source.publish(message),
      configured: new Map(collections.map((one) => [one.name, one])),
      maxMessage,
      now,
    });
    this.tokens = new MemoryTokens({
      requireOpen: () => this.#log.requireOpen(),
      disconnect: (user, credential) => this.source.disconnect({ user, credential, at: performance.now() }),
      now,
    });
  }

  /** Always false: the store in memory has no plain PUBLISH. */
  recordsPlain(): boolean {
    return false;
  }

  start(): void {}

  configure(): void {}

  useCertificates(): void {}

  async ping(): Promise<boolean> {
    return !this.#log.closed;
  }

  hasSpoken(): boolean {
    return true;
  }

  localTime(id: Position): number {
    return id / 1000 - Date.now() + performance.now();
  }

  troubles(): [] {
    return [];
  }

  weaknesses(): [] {
    return [];
  }

  async close(): Promise<void> {
    await this.source.close();
  }
}
