import type {
  Backlog,
  Counter,
  Idempotency,
  Publication,
  Published,
  Reading,
  ReadRequest,
  Rights,
  Slice,
} from '../../backlog/backlog.ts';
import { ReadSlices } from '../../backlog/pages.ts';
import { SisyphusError } from '../../errors.ts';
import type { Message } from '../../message/message.ts';
import { channelOfUser, requireChannel, requireEvent, requireUser, userOfChannel } from '../../message/names.ts';
import type { Position } from '../../message/position.ts';
import type { RightsChange } from '../../message/rights-change.ts';
import type { MemoryLog } from './memory-log.ts';
import { MemoryRights } from './memory-rights.ts';

/** How long an `Idempotency-Key` is remembered (ms). */
const REMEMBERED = 300_000;

export interface MemoryBacklogOptions {
  log: MemoryLog;
  /** Called with each message, in the order of ids. */
  tell: (message: Message) => void;
  /** Called with each user whose streams are to end. */
  disconnect: (user: string) => void;
  /** Bytes. */
  maxMessage: number;
  /** Milliseconds. */
  now: () => number;
}

interface Remembered {
  fingerprint: string;
  answer: Published[];
  until: number;
}

/** The backlog of the store in memory. No method waits for anything, so each call is one atomic step. */
export class MemoryBacklog implements Backlog {
  readonly #options: MemoryBacklogOptions;
  readonly #rights: MemoryRights;
  /** In the order of `until`. */
  readonly #remembered = new Map<string, Remembered>();

  constructor(options: MemoryBacklogOptions) {
    this.#options = options;
    this.#rights = new MemoryRights(options.log.born);
  }

  async publish(publications: Publication[], idempotency?: Idempotency, trace?: string): Promise<Published[]> {
    return this.#once(idempotency, () => {
      for (const publication of publications) this.#require(publication);
      return publications.map((publication) => this.#record({ ...publication, trace }));
    });
  }

  async grant(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published> {
    return this.#once(idempotency, () => [this.#change('grant', user, channel, data)])[0]!;
  }

  async revoke(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published> {
    return this.#once(idempotency, () => [this.#change('revoke', user, channel, data)])[0]!;
  }

  async position(): Promise<Position> {
    this.#options.log.requireOpen();
    return this.#options.log.next();
  }

  async disconnect(user: string): Promise<Position> {
    this.#options.log.requireOpen();
    this.#options.disconnect(requireUser(user));
    return this.#options.log.next();
  }

  async rights(users: { user: string; known?: Position | undefined }[]): Promise<(Rights | undefined)[]> {
    this.#options.log.requireOpen();
    return users.map(({ user, known }) => this.#rights.read(user, known));
  }

  async read(requests: ReadRequest[]): Promise<Slice[]> {
    this.#options.log.requireOpen();
    return requests.map((request) => this.#options.log.read(request));
  }

  async open(requests: ReadRequest[], signal?: AbortSignal): Promise<Reading> {
    signal?.throwIfAborted();
    return new ReadSlices(await this.read(requests), signal);
  }

  async counters(channels: readonly string[]): Promise<Counter[]> {
    this.#options.log.requireOpen();
    return channels.map((channel) => this.#options.log.counterOf(channel));
  }

  #change(name: 'grant' | 'revoke', user: string, channel: string, data: Buffer | undefined): Published {
    requireUser(user);
    requireChannel(channel);
    const told = data ?? Buffer.from(`<message><${name}><channel>${channel}</channel></${name}></message>`);
    const publication = { channel: channelOfUser(user), data: told };
    this.#require(publication);
    return this.#record(publication, (id) => this.#rights[name](user, channel, id));
  }

  #require({ channel, data, event }: Publication): void {
    requireChannel(channel);
    if (event !== undefined) requireEvent(event);
    const { maxMessage } = this.#options;
    if (data.length > maxMessage) {
      throw new SisyphusError('too_large', `${data.length} bytes; a message may have ${maxMessage}`);
    }
  }

  #record(
    publication: Publication & Partial<Pick<Message, 'trace'>>,
    change?: (id: Position) => RightsChange,
  ): Published {
    const user = userOfChannel(publication.channel);
    const unchanged = (): RightsChange | undefined => (user === undefined ? undefined : this.#rights.unchanged(user));
    const message = this.#options.log.append(publication, change ?? unchanged);
    this.#options.tell(message);
    return { channel: message.channel, id: message.id, revision: message.revision };
  }

  #once(idempotency: Idempotency | undefined, run: () => Published[]): Published[] {
    this.#options.log.requireOpen();
    const known = idempotency && this.#recall(idempotency);
    if (known) return known;
    const answer = run();
    if (idempotency) {
      const { key, fingerprint } = idempotency;
      this.#remembered.set(key, { fingerprint, answer, until: this.#options.now() + REMEMBERED });
    }
    return answer;
  }

  #recall({ key, fingerprint }: Idempotency): Published[] | undefined {
    for (const [old, { until }] of this.#remembered) {
      if (until > this.#options.now()) break;
      this.#remembered.delete(old);
    }
    const known = this.#remembered.get(key);
    if (known && known.fingerprint !== fingerprint) {
      throw new SisyphusError('idempotency_conflict', 'this key was used for another request');
    }
    return known?.answer;
  }
}
