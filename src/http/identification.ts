import type { Authenticator, Identity } from '../auth/authenticator.ts';
import type { HttpRequest } from '../auth/http-request.ts';
import type { Connection } from '../connection/connection.ts';
import type { Logger } from '../logger.ts';
import { IDENTIFYING } from '../patience.ts';
import { Failures } from '../repeats.ts';

/** For an authenticator that asks nobody. A signal of its own would cost each stream 3 µs, of some 75 that opening takes. */
const NEVER = new AbortController().signal;

export interface IdentificationOptions {
  authenticator: Authenticator;
  logger: Logger;
  /** So many clients may wait for an identity at a time. */
  atATime: number;
  patience?: number;
}

/** Asks the authenticator who a client is: for a while, for so many at a time, and only while the client is there. */
export class Identification {
  readonly #options: IdentificationOptions;
  readonly #failures: Failures;
  #waiting = 0;

  constructor(options: IdentificationOptions) {
    this.#options = options;
    this.#failures = new Failures(options.logger);
  }

  /** If the client leaves meanwhile, the connection is closed, and nobody needs the identity. */
  async identify(request: HttpRequest, connection: Pick<Connection, 'onClose'>): Promise<Identity> {
    const { authenticator } = this.#options;
    try {
      const asked = authenticator.asks ? this.#ask(request, connection) : authenticator.authenticate(request, NEVER);
      const identity = await asked;
      return isOver(identity) ? { refusal: 'expired' } : identity;
    } catch (error) {
      this.#failures.log('identification_failed', error);
      return { refusal: 'internal' };
    }
  }

  async #ask(request: HttpRequest, connection: Pick<Connection, 'onClose'>): Promise<Identity> {
    const { authenticator, atATime, patience = IDENTIFYING } = this.#options;
    if (this.#waiting >= atATime) return { refusal: 'capacity' };
    this.#waiting++;
    const leaving = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Identity>((resolve, reject) => {
        const giveUp = (): void => {
          leaving.abort();
          resolve({ refusal: 'unavailable' });
        };
        timer = setTimeout(giveUp, patience);
        connection.onClose = giveUp;
        authenticator.authenticate(request, leaving.signal).then(resolve, reject);
      });
    } finally {
      this.#waiting--;
      clearTimeout(timer);
      connection.onClose = nothing;
    }
  }
}

function isOver(identity: Identity): boolean {
  // An end that is no number is over, because no clock would ever reach it.
  return 'user' in identity && identity.expires !== undefined && !(identity.expires > Date.now());
}

/** Nobody waits for an identity any more. */
function nothing(): void {}
