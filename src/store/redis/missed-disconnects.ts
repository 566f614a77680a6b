import type { Redis } from 'ioredis';
import type { Logger } from '../../logger.ts';
import type { Disconnect } from '../../message/disconnect.ts';
import { isUser } from '../../message/names.ts';
import { BEGINNING, isAfter, type Position, parsePosition } from '../../message/position.ts';
import { Failures } from '../../repeats.ts';
import { readFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { isReply } from './redis-error.ts';

export interface MissedDisconnectsOptions {
  /** The connection of the hub, so that a disconnect is read after the messages that were published before it. */
  redis: Redis;
  keys: Keys;
  logger: Logger;
  tell: (disconnect: Disconnect) => void;
}

/** The part of a mark that concerns disconnects. */
export interface DisconnectMark {
  /** The id of the last one; `undefined` if there was none, or if the library in Redis knows none. */
  disconnected: Position | undefined;
  /** Every disconnect with an id up to this had been made when the mark was answered. */
  position: Position | undefined;
  /** The id with which the life of the store began. */
  born: Position | undefined;
  /** The time by the store's clock. */
  now: Position;
}

/**
 * Reads the disconnects that this gateway does not know yet. Whatever says that there is one, a mark or a message on the topic, is only
 * a reason to read them, so none can be forged, and none is lost with a connection.
 *
 * Invariant: every disconnect with an id up to `#upTo` was passed on.
 */
export class MissedDisconnects {
  readonly #options: MissedDisconnectsOptions;
  readonly #failures: Failures;
  /** The id of the last disconnect, as the store has said. */
  #last = BEGINNING;
  #upTo = BEGINNING;
  /** When the last mark was answered, by the store's clock. */
  #heard = BEGINNING;
  #born: Position | undefined;
  #isReading = false;
  #isWanted = false;

  constructor(options: MissedDisconnectsOptions) {
    this.#options = options;
    this.#failures = new Failures(options.logger);
  }

  /** Handles a message on the topic. */
  hear(payload: Buffer): void {
    if (parsePosition(payload.toString('latin1')) === this.#last) return;
    if (this.#isReading) {
      this.#isWanted = true;
      return;
    }
    // If the connection is lost, the first mark on the next one finds the disconnect.
    this.#read().catch(() => undefined);
  }

  /** Settles when every disconnect from before the mark is passed on, or Redis refuses to answer. Rejects if Redis does not answer. */
  async learn({ disconnected = BEGINNING, position = BEGINNING, born, now }: DisconnectMark): Promise<void> {
    // The ids of a new life may be lower.
    if (born !== this.#born) this.#upTo = BEGINNING;
    if (disconnected !== this.#last && !(await this.#read())) return;
    this.#last = disconnected;
    this.#upTo = position;
    this.#heard = now;
    this.#born = born;
  }

  /** Answers whether Redis has answered. */
  async #read(): Promise<boolean> {
    this.#isReading = true;
    try {
      do {
        this.#isWanted = false;
        await this.#readOnce();
      } while (this.#isWanted);
      return true;
    } catch (error) {
      if (!isReply(error)) throw error;
      this.#failures.log('disconnects_unread', error);
      return false;
    } finally {
      this.#isReading = false;
    }
  }

  async #readOnce(): Promise<void> {
    const { redis, keys, tell } = this.#options;
    const args = [this.#upTo, this.#heard];
    const answer = (await readFunction(redis, keys, 'sisyphus_disconnects_ro', args)) as (Buffer | number)[];
    const answered = performance.now();
    const [now = '', isIncomplete, ...entries] = answer.map(String);
    if (isIncomplete === '1') tell({ user: undefined, at: answered });
    for (let i = 0; i < entries.length; i += 2) {
      const id = parsePosition(entries[i + 1]!) ?? BEGINNING;
      // Ids are ahead of the clock if it was set back: then the disconnect counts from now on.
      const age = Math.max(0, Number(now) - id) / 1000;
      const person = personIn(entries[i]!);
      if (person) tell({ ...person, at: answered - age });
      if (isAfter(id, this.#upTo)) this.#upTo = id;
    }
  }
}

/** Parses `user <user>` and `credential <hash> <user>`; `undefined` for anything else, which somebody else has put there. */
function personIn(entry: string): (Pick<Disconnect, 'credential'> & { user: string }) | undefined {
  const [kind, first = '', second = ''] = entry.split(' ');
  if (kind === 'user' && isUser(first)) return { user: first };
  return kind === 'credential' && isUser(second) ? { user: second, credential: first } : undefined;
}
