import { channelOfCollection, type Snapshot } from '../collection/collections.ts';
import { keyOf } from '../collection/records.ts';
import type { CloseReason } from '../connection/close-reason.ts';
import type { Delivery } from '../message/delivery.ts';
import { elementsOf, membersOf } from '../message/json-source.ts';
import { Failures } from '../repeats.ts';
import { Session } from '../session/session.ts';
import { PubSubQueue } from '../sync/queue.ts';
import type { HttpContext } from './context.ts';
import { FeedConnection } from './feed-connection.ts';
import { type Line, LinePacer } from './line-pacer.ts';

/** A change as its message has it. */
export interface ReadChange {
  revision: number;
  epoch: string;
  /** The JSON of each record. */
  update: string[];
  destroy: string[];
}

/**
 * The records of one collection as this gateway knows them, and a line for each change, which all pollers share. A session reads the channel:
 * so there is one reader, however many poll.
 */
export class CollectionFeed extends PubSubQueue<Line> {
  /** Called when the gateway is being stopped. */
  onShutdown: () => void = () => undefined;
  readonly #context: HttpContext;
  readonly #name: string;
  readonly #failures: Failures;
  #key = '';
  #epoch = '';
  #revision = 0;
  #records = new Map<string, string>();
  /** The backlog, until the next change. */
  #written: Line | undefined;
  readonly #pacer: LinePacer;
  #connection: FeedConnection | undefined;

  constructor(name: string, context: HttpContext) {
    super({ log: context.logger });
    this.#name = name;
    this.#context = context;
    this.#failures = new Failures(context.logger);
    this.#pacer = new LinePacer(
      (line) => this.post(line),
      () => this.subscribers,
    );
  }

  get epoch(): string {
    return this.#epoch;
  }

  get revision(): number {
    return this.#revision;
  }

  override follow(listener: (line: Line) => void): () => void {
    this.#pacer.flush();
    return super.follow(listener);
  }

  override subscribe(listener: (line: Line) => void): () => void {
    this.#pacer.flush();
    return super.subscribe(listener);
  }

  override close(): void {
    super.close();
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close('client');
  }

  /** The updates of a change, as JSON. Of a destroyed record the primary key is written as the record had it. */
  lineOf({ update, destroy, revision }: ReadChange, before?: ReadonlyMap<string, string>): Line {
    const key = JSON.stringify(this.#key);
    const deletions = destroy.map((name) => {
      const value = membersOf(before?.get(name) ?? '{}').get(this.#key) ?? JSON.stringify(name);
      return `{"type":"delete","data":{${key}:${value}}}`;
    });
    return toLine([...deletions, ...update.map(toUpdate)], revision);
  }

  protected async loadBacklog(): Promise<void> {
    const snapshot = await this.#context.collections.read(this.#name);
    const before = this.#records;
    this.#adopt(snapshot);
    this.#follow(snapshot);
    // Those who poll already are told what is different, in one line.
    if (this.subscribers === 0) return;
    const update = [...this.#records].filter(([name, text]) => before.get(name) !== text).map(([, text]) => text);
    const destroy = [...before.keys()].filter((name) => !this.#records.has(name));
    if (update.length + destroy.length > 0) {
      this.#pacer.add(this.lineOf({ update, destroy, revision: this.#revision, epoch: this.#epoch }, before));
    }
  }

  protected backlog(): Line {
    this.#written ??= toLine([...this.#records.values()].map(toUpdate), this.#revision);
    return this.#written;
  }

  #adopt({ key, epoch, revision, records }: Snapshot): void {
    this.#key = key;
    this.#epoch = epoch;
    this.#revision = revision;
    this.#written = undefined;
    this.#records = new Map(records.map((text) => [keyOf(JSON.parse(text) as Record<string, unknown>, key)!, text]));
  }

  #follow({ id }: Snapshot): void {
    const listener = {
      message: (delivery: Delivery): void => this.#hear(delivery),
      reset: (): void => this.#again(connection),
      closed: (reason: CloseReason): void => {
        if (reason === 'shutdown') this.onShutdown();
        else this.#again(connection);
      },
    };
    const connection = new FeedConnection(listener);
    this.#connection = connection;
    const channel = channelOfCollection(this.#name);
    const { config, sessions } = this.#context;
    const { maxBuffer, maxChannels } = config;
    const own = { user: undefined, granted: [channel], named: new Set([channel]), hasList: false, connection };
    const session = new Session({ ...this.#context, ...own, maxBuffer, maxChannels });
    void sessions.add(session);
    session.open({ kind: 'after', position: id }).catch((error: Error) => {
      this.#failures.log('feed_failed', error);
      session.close('redis');
    });
  }

  /** Loads everything again, unless that has begun already. */
  #again(connection: FeedConnection): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    connection.close('client');
    void this.reload();
  }

  #hear({ message }: Delivery): void {
    const change = readChange(message.payload.toString(), this.#name);
    if (!change) {
      // Somebody else has published on the channel: it has taken a revision, and has changed nothing.
      if (message.revision === this.#revision + 1) this.#revision = message.revision;
      return;
    }
    if (change.epoch === this.#epoch && change.revision <= this.#revision) return;
    if (change.epoch !== this.#epoch || change.revision !== this.#revision + 1) {
      if (this.#connection) this.#again(this.#connection);
      return;
    }
    const line = this.lineOf(change, this.#records);
    for (const name of change.destroy) this.#records.delete(name);
    for (const text of change.update) {
      this.#records.set(keyOf(JSON.parse(text) as Record<string, unknown>, this.#key)!, text);
    }
    this.#revision = change.revision;
    this.#written = undefined;
    this.#pacer.add(line);
  }
}

/** Reads the message of a change; `undefined` if it is none. */
export function readChange(text: string, name: string): ReadChange | undefined {
  if (!text.startsWith('{"version":')) return undefined;
  try {
    const { revision, epoch } = JSON.parse(text) as { revision: number; epoch: string };
    const change = membersOf(membersOf(text).get(name)!);
    return {
      revision,
      epoch,
      update: elementsOf(change.get('update')!),
      destroy: JSON.parse(change.get('destroy')!) as string[],
    };
  } catch {
    // Somebody else has published something that begins alike.
    return undefined;
  }
}

function toUpdate(record: string): string {
  return `{"type":"update","data":${record}}`;
}

function toLine(updates: string[], revision: number): Line {
  return { bytes: Buffer.from(`[${updates.join(',')}]\n`), revision };
}
