import type { Frame, MessageFrame } from './frames.ts';
import type { EventSourceClass, Through } from './line.ts';

/**
 * `connecting`: the stream is not live yet, or is being opened again; `ok`: it is live; `error`: the gateway or the network cannot serve it now, and the
 * client tries again; `failure`: the gateway does not know the user, and the client has stopped; `closed`: the page has closed the stream.
 */
export interface Status {
  readonly state: 'connecting' | 'ok' | 'error' | 'failure' | 'closed';
  /** The reason that the gateway gives (docs/reference/refusals.md), or one of the client's own: `offline`, `silent`, `lost`, `credential`. */
  readonly reason?: string;
  /** The variable with the limit that is reached. */
  readonly limit?: string;
}

export interface SisyphusOptions {
  /** Whose stream the client opens. Only a gateway with `SISYPHUS_AUTH=open` reads it; the others go by the credential. */
  user?: string | number | null;
  /** Only these channels, instead of all that the user may read. An empty list is the same as none. */
  channels?: readonly string[];
  /** The position at which the page's state was read. */
  since?: string;
  /** Gives the credential. The client calls it each time it opens the stream. `undefined`, `null` or `''`: no credential is needed now. */
  credential?: () => string | null | undefined | Promise<string | null | undefined>;
  /** Whether the browser sends cookies if the gateway has another origin. */
  withCredentials?: boolean;
  /** Loads after a reset begin at a random time up to this one (ms). 4000. */
  spread?: number;
  /** The class to use where there is no global one, as in Node: that of undici or of the package `eventsource`. */
  EventSource?: EventSourceClass;
  /** Parts that change how lines are opened; the outermost comes first. */
  through?: readonly Through[];
}

/** The names that `on` takes, and what their listeners are given. */
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
