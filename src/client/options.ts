import type { Frame, MessageFrame } from './frames.ts';
import type { EventSourceClass, Through } from './line.ts';

/**
 * `connecting`: not yet, or not again; `ok`: live; `error`: the gateway or the network says that it cannot now, and the client tries again;
 * `failure`: the gateway says who this user is not, and the client has stopped; `closed`: the page has closed the stream.
 */
export interface Status {
  readonly state: 'connecting' | 'ok' | 'error' | 'failure' | 'closed';
  /** The gateway's word (docs/reference/refusals.md), or `offline`, `silent`, `lost` or `credential` of the client. */
  readonly reason?: string;
  /** The variable with the limit that is reached. */
  readonly limit?: string;
}

export interface SisyphusOptions {
  /** Whose stream, with `SISYPHUS_AUTH=open`. */
  user?: string | number;
  /** Only these channels, instead of all that the user may read. */
  channels?: readonly string[];
  /** The position that the page's state is as of. */
  since?: string;
  /** Gives the credential; it is asked at each opening. `undefined`: none is needed now. */
  credential?: () => string | undefined | Promise<string | undefined>;
  /** Whether cookies go to another origin. */
  withCredentials?: boolean;
  /** Loads after a reset begin at a random time up to this one (ms). 4000. */
  spread?: number;
  /** Where there is none, as in Node: that of undici or of the package `eventsource`. */
  EventSource?: EventSourceClass;
  /** The outermost first. */
  through?: readonly Through[];
}

/** What `on` takes. */
export interface Events {
  message: MessageFrame;
  reset: Extract<Frame, { type: 'reset' }>;
  denied: Extract<Frame, { type: 'denied' }>;
  status: Status;
  /** Each frame, as it comes. */
  frame: Frame;
  /** What a listener, `load` or `credential` has thrown. */
  error: unknown;
}

export type Listener<Value> = (value: Value) => void;
