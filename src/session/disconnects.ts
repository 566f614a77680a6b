import type { CloseReason } from '../connection/close-reason.ts';
import type { Logger } from '../logger.ts';
import type { Disconnect } from '../message/disconnect.ts';
import { type Person, RecentDisconnects } from './recent-disconnects.ts';
import type { Session } from './session.ts';

/** Sessions that are ended before the event loop gets a turn. */
const SLICE = 500;

export interface DisconnectsOptions {
  logger: Logger;
  /** The open streams of a user. */
  streamsOf: (user: string) => Session[];
  /** How many streams there are. */
  total: () => number;
  closeAll: (reason: CloseReason) => void;
  /** Called with each user who is disconnected; `undefined`: it may be anybody. */
  onDisconnect: (user: string | undefined) => void;
  /** The time by a monotonic clock (ms). */
  now: () => number;
}

/** Ends the streams of users who are disconnected, and keeps out requests that began before. */
export class Disconnects {
  readonly #options: DisconnectsOptions;
  readonly #recent: RecentDisconnects;

  constructor(options: DisconnectsOptions) {
    this.#options = options;
    this.#recent = new RecentDisconnects(options.now);
  }

  /** Why a request that began then (ms) gets no session, because its client was disconnected meanwhile. */
  reasonAgainst(person: Person, begun: number): 'revoked' | 'redis' | undefined {
    return this.#recent.reasonAgainst(person, begun);
  }

  /** See `SessionRegistry.suspect`. */
  suspect(user: string): () => void {
    const held = this.#options.streamsOf(user);
    for (const session of held) session.hold();
    return () => {
      for (const session of held) session.release();
    };
  }

  /** Ends the streams whose requests began before the disconnect, and keeps out those that are being opened. */
  async disconnect(disconnect: Disconnect): Promise<void> {
    const { logger, total, closeAll, onDisconnect } = this.#options;
    const { user, credential } = disconnect;
    this.#recent.note(disconnect);
    onDisconnect(user);
    if (user === undefined) {
      logger.warn({ event: 'disconnects_missed', streams: total() });
      closeAll('redis');
      return;
    }
    const sessions = this.#endingWith(user, disconnect);
    const line = { event: 'disconnected', user, ...(credential !== undefined && { by: 'credential' }) };
    logger.info({ ...line, streams: sessions.length });
    for (const [i, session] of sessions.entries()) {
      if (i > 0 && i % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
      session.close('revoked');
    }
  }

  #endingWith(user: string, { credential, at }: Disconnect): Session[] {
    return this.#options.streamsOf(user).filter((session) => {
      const isMeant = credential === undefined || session.credential === credential;
      return isMeant && session.begun <= at && !session.connection.closed;
    });
  }
}
