import type { Authenticator, Identity } from '../auth/authenticator.ts';
import type { HttpRequest } from '../auth/http-request.ts';
import type { Connection } from '../connection/connection.ts';
import type { Logger } from '../logger.ts';
import { IDENTIFYING } from '../patience.ts';
import { Failures } from '../repeats.ts';

/** The signal for authenticators that do not ask others: one per stream would cost 3 µs, of some 75 µs that opening a stream takes. */
const NEVER = new AbortController().signal;

export interface IdentificationOptions {
  authenticator: Authenticator;
  logger: Logger;
  /** How many clients may wait for an identity at a time. */
  atATime: number;
  /** How long a client waits for an identity (ms); by default `IDENTIFYING`. */
  patience?: number;
}

/**
 * Asks the authenticator for the identity of a client. It limits how long a client waits and how many clients wait at a time, and it
 * aborts the authentication if the client leaves.
 */
export class Identification {
  readonly #options: IdentificationOptions;
  readonly #failures: Failures;
  #waiting = 0;

  constructor(options: IdentificationOptions) {
    this.#options = options;
    this.#failures = new Failures(options.logger);
  }

  /** If the client leaves meanwhile, the result has no meaning: the caller finds the connection closed. */
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
  // If `expires` is NaN, the credential counts as expired, because no clock would ever reach its end.
  return 'user' in identity && identity.expires !== undefined && !(identity.expires > Date.now());
}

/** The `onClose` of a connection after the identification: there is nothing left to give up. */
function nothing(): void {}
