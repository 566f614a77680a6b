import type { Status } from './client.ts';

/** One message of a channel; `data` is a JSON value, or text. */
export interface RtMessage<Data = unknown> {
  type: 'message';
  channel: string;
  revision: number;
  data: Data;
}

/**
 * Messages of the channel are gone: its state has to be loaded as when the page was opened. `data` is the newest message, if it is known; messages
 * behind `revision` follow.
 */
export interface RtReset<Data = unknown> {
  type: 'reset';
  channel: string;
  revision: number;
  data?: Data;
}

/** The client may not read the channel now. It is not asked for again before `refresh`. */
export interface RtDenied {
  type: 'denied';
  channel: string;
}

export type RtEvent<Data = unknown> = RtMessage<Data> | RtReset<Data> | RtDenied;
export type RtListener<Data = unknown> = (event: RtEvent<Data>) => void;

/** As that of a stream; `message` is the gateway's sentence to a `reason`. */
export interface RtStatus extends Pick<Status, 'state' | 'reason'> {
  readonly message?: string;
}

export interface RtOptions {
  /** Who reads, with `SISYPHUS_AUTH=open`. */
  user?: string | number;
  /** Gives the credential; it is asked at each poll. `undefined`: none is needed now. */
  credential?: () => string | undefined | Promise<string | undefined>;
  /** Whether cookies go to another origin. */
  withCredentials?: boolean;
  /** Another one than the global. */
  fetch?: typeof fetch;
}
