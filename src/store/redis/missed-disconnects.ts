import type { Redis } from 'ioredis';
import type { Logger } from '../../logger.ts';
import type { Disconnect } from '../../message/disconnect.ts';
import { isUser } from '../../message/names.ts';
import { BEGINNING, isAfter, type Position, parsePosition } from '../../message/position.ts';
import { Failures } from '../../repeats.ts';
import { ClockOffset } from './clock-offset.ts';
import { callFunction, readFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { isReply, refusesWrites } from './redis-error.ts';

/** How long a disconnect is remembered, in case that the store loses it (ms): no gateway keeps streams longer without hearing of the store. */
const REMEMBERED = 60_000;
/** The most that are remembered. */
const MOST = 1000;

export interface MissedDisconnectsOptions {
  /** The connection of the hub, so that a disconnect is read after the messages that were published before it. */
  redis: Redis;
  keys: Keys;
  logger: Logger;
  tell: (disconnect: Disconnect) => void;
  /** Called if a message says that the user was disconnected, which is not known yet. The answer is called when it is known. */
  suspect?: (user: string) => (() => void) | undefined;
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
 *
 * If the store has lost disconnects, those that are remembered here are noted again, for gateways that have not read them.
 */
export class MissedDisconnects {
  readonly #options: MissedDisconnectsOptions;
  readonly #failures: Failures;
  readonly #clock = new ClockOffset();
  /** The id of the last disconnect, as the store has said. */
  #last = BEGINNING;
  #upTo = BEGINNING;
  /** When the last mark was answered, by the store's clock. */
  #heard = BEGINNING;
  #born: Position | undefined;
  /** The id of the last one that was read. */
  #newest = BEGINNING;
  /** Whether the store has lost some, and they are not noted again yet. */
  #hasLost = false;
  /** By what ends: with which id it was made, and until when it is remembered (ms). In the order of the ends. */
  readonly #remembered = new Map<string, { made: Position; until: number }>();
  /** Whether disconnects are read because of a message, and whether another message has come since that began. */
  #isReading = false;
  #isWanted = false;
  /** The users that messages have named since the disconnects were last read. */
  readonly #suspects = new Map<string, Suspect>();

  constructor(options: MissedDisconnectsOptions) {
    this.#options = options;
    this.#failures = new Failures(options.logger);
  }

  /** Handles a message on the topic. */
  hear(payload: Buffer): void {
    const [id = '', user = ''] = payload.toString('latin1').split(' ');
    if (parsePosition(id) === this.#last) return;
    if (isUser(user)) this.#suspect(user);
    this.#isWanted = true;
    // If the connection is lost, the first mark on the next one finds the disconnect.
    if (!this.#isReading) this.#readWhileWanted().catch(() => undefined);
  }

  /** Settles when every disconnect from before the mark is passed on, or Redis refuses to answer. Rejects if Redis does not answer. */
  async learn({ disconnected = BEGINNING, position = BEGINNING, born, now }: DisconnectMark): Promise<void> {
    this.#clock.learn(now, performance.now());
    // The ids of a new life may be lower.
    if (born !== this.#born) this.#upTo = BEGINNING;
    const isEmptied = born !== this.#born && this.#born !== undefined;
    this.#hasLost ||= isEmptied || isAfter(this.#newest, disconnected);
    if (disconnected !== this.#last) {
      if (!(await this.#read())) return;
      // After a connection was lost, a mark is the first to say that a message has named nobody.
    } else if (!this.#isReading) this.#clear([...this.#suspects]);
    this.#last = disconnected;
    this.#upTo = position;
    this.#heard = now;
    this.#born = born;
    if (this.#hasLost) await this.#noteAgain();
  }

  /** Reads once for all messages that have come meanwhile. A mark reads for itself, so that no flood of messages can hold it up. */
  async #readWhileWanted(): Promise<void> {
    this.#isReading = true;
    try {
      while (this.#isWanted) {
        this.#isWanted = false;
        await this.#read();
      }
    } finally {
      this.#isReading = false;
    }
  }

  /** Answers whether Redis has answered. */
  async #read(): Promise<boolean> {
    // A message that is received while Redis answers may be about a disconnect that this answer does not have.
    const suspects = [...this.#suspects];
    try {
      await this.#readAll();
      this.#clear(suspects);
      return true;
    } catch (error) {
      if (!isReply(error)) throw error;
      this.#failures.log('disconnects_unread', error);
      this.#clear(suspects);
      return false;
    }
  }

  #suspect(user: string): void {
    const before = this.#suspects.get(user);
    const release = before?.release ?? (this.#suspects.size < MOST ? this.#options.suspect?.(user) : undefined);
    // A new object: a reading that has begun before this message does not clear the user.
    if (release) this.#suspects.set(user, { release });
  }

  #clear(suspects: [user: string, suspect: Suspect][]): void {
    for (const [user, suspect] of suspects) {
      if (this.#suspects.get(user) !== suspect) continue;
      this.#suspects.delete(user);
      suspect.release();
    }
  }

  async #readAll(): Promise<void> {
    const { redis, keys, tell } = this.#options;
    const args = [this.#upTo, this.#heard];
    const answer = (await readFunction(redis, keys, 'sisyphus_disconnects_ro', args)) as (Buffer | number)[];
    const answered = performance.now();
    const [now = '', isIncomplete, ...entries] = answer.map(String);
    this.#clock.learn(parsePosition(now) ?? BEGINNING, answered);
    if (isIncomplete === '1') tell({ user: undefined, at: answered });
    for (let i = 0; i < entries.length; i += 2) {
      const id = parsePosition(entries[i + 1]!) ?? BEGINNING;
      const found = parseEntry(entries[i]!, id);
      if (found) {
        // Ids are ahead of the clock if it was set back: then the disconnect counts from now on.
        const at = Math.min(answered, this.#clock.toLocal(found.made));
        tell({ user: found.user, credential: found.credential, at });
        this.#remember(found, at + REMEMBERED);
      }
      this.#newest = id;
      if (isAfter(id, this.#upTo)) this.#upTo = id;
    }
  }

  #remember({ what, made }: Entry, until: number): void {
    this.#remembered.delete(what);
    this.#remembered.set(what, { made, until });
    for (const [oldest, { until: end }] of this.#remembered) {
      if (end > performance.now() && this.#remembered.size <= MOST) break;
      this.#remembered.delete(oldest);
    }
  }

  async #noteAgain(): Promise<void> {
    const { redis, keys } = this.#options;
    const lost = [...this.#remembered].filter(([, { until }]) => until > performance.now());
    const args = lost.flatMap(([what, { made }]) => [what, made]);
    try {
      if (args.length > 0) await callFunction(redis, keys, 'sisyphus_disconnect_again', args);
      this.#hasLost = false;
      this.#newest = BEGINNING;
    } catch (error) {
      if (!isReply(error)) throw error;
      // It is tried again with the next mark: a replica that has just been promoted may not take writes yet.
      if (!refusesWrites(error)) this.#failures.log('disconnects_unread', error);
    }
  }
}

/** A user that may have been disconnected. */
interface Suspect {
  release: () => void;
}

interface Entry {
  what: string;
  user: string;
  credential: string | undefined;
  /** The id with which it was made. */
  made: Position;
}

/**
 * Parses `user <user>` and `credential <hash> <user>`; the id with which it was made may follow, if that is not its own `id`. `undefined` for
 * anything else, which somebody else has put there.
 */
function parseEntry(text: string, id: Position): Entry | undefined {
  const [, what = '', kind, hash, user = '', made] = /^((user|credential (\S+)) (\S+))(?: (\d+))?$/.exec(text) ?? [];
  if (kind === undefined || !isUser(user)) return undefined;
  return { what, user, credential: hash, made: made === undefined ? id : (parsePosition(made) ?? id) };
}
