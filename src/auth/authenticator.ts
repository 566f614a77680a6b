import type { Refusal } from '../connection/refusal.ts';
import type { HttpRequest } from './http-request.ts';

/** Who a client is, or why it is refused. */
export type Identity = Identified | { refusal: Refusal };

export interface Identified {
  user: string;
  /** When the credential ends (ms since 1970): its streams end then. */
  expires?: number;
  /** The channels that the credential allows. No mode tells any today, and sessions go by the list in Redis alone. */
  channels?: readonly string[];
}

/** A mode of `SISYPHUS_AUTH`: turns a request into an identity. */
export interface Authenticator {
  /** The parameters of the address that it reads. */
  readonly parameters: readonly string[];
  /** Whether it asks somebody who may not answer. If not, it answers at once, and its signal never fires. */
  readonly asks: boolean;
  /**
   * If the promise rejects, that is a mistake in the gateway: whatever is wrong with a request is a refusal.
   *
   * @param signal fires if the client has left, or if the identity would come too late
   */
  authenticate(request: HttpRequest, signal: AbortSignal): Promise<Identity>;
}
