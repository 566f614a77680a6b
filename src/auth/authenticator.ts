import type { Name } from '../config/variables.ts';
import type { Refusal } from '../connection/refusal.ts';
import type { HttpRequest } from './http-request.ts';

/** The answer of an authenticator: the identified client, or the reason for refusing it. */
export type Identity = Identified | Refused;

export interface Identified {
  user: string;
  /** When the credential expires (ms since 1970). The streams opened with it are closed then. */
  expires?: number | undefined;
  /** The channels that the credential allows, for as long as it is valid. `SISYPHUS_RIGHTS` says whether they count. */
  channels?: readonly string[] | undefined;
  /** What the client has shown, hashed (`hashOf`): a stream can be ended by it. Only modes whose credentials can be revoked set it. */
  credential?: string | undefined;
  /**
   * Since when this is known (ms of `performance.now`), if that is longer than the request: a disconnect that was made since then ends the
   * stream. Only modes set it that use an answer again.
   */
  since?: number | undefined;
}

export interface Refused {
  refusal: Refusal;
  /** The variable with the limit, if the refusal is `capacity`. */
  limit?: Name | undefined;
}

/** The client has shown no credential at all. A client with a bad one is never taken for nobody: it is refused, also on public channels. */
export const NOBODY: Refused = { refusal: 'missing' };

export function isNobody(identity: Identity): boolean {
  return 'refusal' in identity && identity.refusal === 'missing';
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
  /** Drops everything that is remembered of the user's credentials, because the user was disconnected; `undefined`: of anybody's. */
  forget?(user: string | undefined): void;
}
