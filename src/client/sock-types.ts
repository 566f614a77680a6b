export interface SockOptions {
  /** Whose stream the session carries, with `SISYPHUS_AUTH=open`. */
  user?: string | number;
  /** Gives the credential of a session that carries a user's stream; it is asked once for each session. */
  credential?: () => string | undefined | Promise<string | undefined>;
  /** Of the messages of that stream. With `json` they say their ids, so that a session that is lost loses none of them. */
  format?: 'raw' | 'json';
  /** Where that stream begins. */
  since?: string;
  /** Whether cookies go to another origin. */
  withCredentials?: boolean;
  /** Another one than the global. */
  fetch?: typeof fetch;
}

/** A session has begun: the first one, or one that takes the place of one that is gone, with what waited in it. */
export interface SockOpenEvent extends Event {
  /** Its name at the gateway, by which the application sends. */
  readonly session: string;
}

export interface SockCloseEvent extends Event {
  /** That of `close`; 1006 if it could not send all before; or 4000 + the status with which the gateway has refused. */
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}
