/** Why a channel has to be loaded again (docs/reference/resets.md). */
export type ResetReason =
  | 'trimmed'
  | 'expired'
  | 'flushed'
  | 'forked'
  | 'future'
  | 'unreadable'
  | 'unrecorded'
  | 'oversize'
  | 'overtaken';

/** One message of a channel. `data` is a JSON value, XML as an object, or text; `event` is the name that it was published with, if any. */
export interface MessageFrame<Data = unknown> {
  type: 'message';
  channel: string;
  revision: number;
  id: string;
  event?: string;
  traceparent?: string;
  data: Data;
}

/** `reason` and `limit` say why the gateway has refused or ended a stream; `noopInterval` and `retry` are in milliseconds. */
export interface StatusFrame {
  type: 'status';
  status: 'ok' | 'error' | 'failure';
  reason?: string;
  limit?: string;
  noopInterval?: number;
  retry?: number;
}

/** Something may be missing in the channel: it has to be loaded again. */
export interface ResetFrame {
  type: 'reset';
  channel: string;
  reason: ResetReason;
}

/** The address names a channel that the user may not read. */
export interface DeniedFrame {
  type: 'denied';
  channel: string;
}

/** A sign that the line is alive. */
export interface NoopFrame {
  type: 'noop';
  retry?: number;
}

export type Frame<Data = unknown> = MessageFrame<Data> | StatusFrame | ResetFrame | DeniedFrame | NoopFrame;

type Wire = Omit<MessageFrame, 'type'> &
  Omit<StatusFrame, 'type'> & { reset?: Omit<ResetFrame, 'type'>; denied?: Omit<DeniedFrame, 'type'>; noop?: true };

/** Reads the data of an event of a stream with `format=frames`. `undefined`: the data is no frame, because something else answers at this address. */
export function parseFrame(text: string): Frame | undefined {
  try {
    const { noop, reset, denied, ...wire } = JSON.parse(text) as Wire;
    if (reset) return { type: 'reset', ...reset };
    if (denied) return { type: 'denied', ...denied };
    const type = noop ? 'noop' : wire.status ? 'status' : 'message';
    return type === 'message' && !wire.channel ? undefined : ({ type, ...wire } as Frame);
  } catch {
    return undefined;
  }
}
