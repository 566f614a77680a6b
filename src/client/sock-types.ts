export interface SockOptions {
  /** The user whose stream the session carries, if the gateway has `SISYPHUS_AUTH=open`. */
  user?: string | number | null;
  /**
   * Gives the credential, if the session carries a user's stream. The client calls it once for each session. `undefined`, `null` or `''`: there
   * is none.
   */
  credential?: () => string | null | undefined | Promise<string | null | undefined>;
  /** The format of the stream's messages. With `json` each has its id: if the session is lost, the next one goes on after the last id. */
  format?: 'raw' | 'json';
  /** The position at which the stream begins. */
  since?: string;
  /** Whether the browser sends cookies if the gateway has another origin. */
  withCredentials?: boolean;
  /** Used instead of the global `fetch`. */
  fetch?: typeof fetch;
}

/** A session has begun: the first one, or one that takes the place of one that is gone, with what waited in it. */
export interface SockOpenEvent extends Event {
  /** The name of the session at the gateway. The application sends to this name. */
  readonly session: string;
}

/** `credential` has thrown, and is asked again; or the gateway has refused, and a `close` follows. */
export interface SockErrorEvent extends Event {
  readonly message: string;
  /** What `credential` has thrown. */
  readonly error?: unknown;
}

export interface SockCloseEvent extends Event {
  /** The code that `close` was given; or 1006 if not everything could be sent before; or 4000 + the HTTP status with which the gateway has refused. */
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}
