import type { Refusal } from '../connection/refusal.ts';
import type { HttpRequest } from './http-request.ts';

/** The answer of an authenticator: the identified client, or the reason for refusing it. */
export type Identity = Identified | { refusal: Refusal };

export interface Identified {
  user: string;
  /** When the credential expires (ms since 1970). The streams opened with it are closed then. */
  expires?: number;
  /** The channels that the credential allows. No mode sets this today, and sessions use only the list in Redis. */
  channels?: readonly string[];
}

/** A mode of `SISYPHUS_AUTH`: turns a request into an identity. */
export interface Authenticator {
  /** The names of the query parameters that this mode reads. */
  readonly parameters: readonly string[];
  /** Whether it depends on another service, which may not answer. If not, it answers at once, and its signal never fires. */
  readonly asks: boolean;
  /**
   * A rejected promise is a bug in the gateway: every fault of a request is reported as a refusal instead.
   *
   * @param signal fires if the client has disconnected, or if the time for identifying it is over
   */
  authenticate(request: HttpRequest, signal: AbortSignal): Promise<Identity>;
}
