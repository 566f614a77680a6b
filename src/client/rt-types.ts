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
 * after `revision` follow.
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

/** The status has the form of a stream's. `message` is the gateway's sentence about the `reason`. */
export interface RtStatus extends Pick<Status, 'state' | 'reason'> {
  readonly message?: string;
}

export interface RtOptions {
  /** The user who reads, if the gateway has `SISYPHUS_AUTH=open`. */
  user?: string | number | null;
  /** Gives the credential. The client calls it before each poll. `undefined`, `null` or `''`: no credential is needed now. */
  credential?: () => string | null | undefined | Promise<string | null | undefined>;
  /** Whether the browser sends cookies if the gateway has another origin. */
  withCredentials?: boolean;
  /** Used instead of the global `fetch`. */
  fetch?: typeof fetch;
}
