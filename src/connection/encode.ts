import { isUtf8 } from 'node:buffer';
import type { Delivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { formatPosition, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Refusal } from './refusal.ts';
import { toJson } from './to-json.ts';

/** `raw` forwards payloads untouched; `json` wraps each for code rather than eyes. */
export type Format = 'raw' | 'json';

export type Status = 'ok' | 'error' | 'failure';

const LF = 10;
const CR = 13;

/**
 * The three line ends of the standard; each begins a new `data:` line, so that a payload cannot end its own frame.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
const LINE_END = /\r\n|\r|\n/g;

/** The frame of a message, encoded for the first stream that needs it, and kept for the others. */
export function encodeMessage({ message, frames }: Delivery, format: Format): Buffer {
  if (format === 'json') {
    frames.json ??= frameOf(message, format);
    return frames.json;
  }
  frames.raw ??= frameOf(message, format);
  return frames.raw;
}

/** What a status frame adds for the developer of the page. */
export interface Remarks {
  /** Why the stream is refused. */
  reason?: Refusal | undefined;
  /** What was ignored in the request, a sentence each. */
  notes?: readonly string[] | undefined;
}

/**
 * The first frame of a stream, or its last. Comments stand inside the frame, behind its fields: every parser skips a comment line,
 * but some clients deliver an empty event for a block of comments alone.
 */
export function encodeStatus(
  status: Status,
  position: Position,
  retryMs: number,
  format: Format,
  { reason, notes = [] }: Remarks = {},
): Buffer {
  const json = format === 'json';
  const data = json ? JSON.stringify({ status, reason }) : `<message><status>${status}</status></message>`;
  const comments = (json || !reason ? notes : [reason, ...notes]).map(commentOf).join('');
  return Buffer.from(`id: ${formatPosition(position)}\ndata: ${data}\nretry: ${Math.round(retryMs)}\n${comments}\n`);
}

function commentOf(text: string): string {
  return `: ${text.replace(LINE_END, ' ')}\n`;
}

let lastNoop: { position: Position; format: Format; frame: Buffer } | undefined;

/** Most of the streams that are silent stand where the gateway stands: the frame is made for the first. */
export function encodeNoop(position: Position, format: Format): Buffer {
  if (lastNoop?.position !== position || lastNoop.format !== format) {
    const text = `id: ${formatPosition(position)}\ndata: ${format === 'json' ? '{"noop":true}' : 'noop'}\n\n`;
    lastNoop = { position, format, frame: Buffer.from(text) };
  }
  return lastNoop.frame;
}

/** The last frame before a shutdown: when to come back, each client at a time of its own. */
export function encodeGoodbye(position: Position, retryMs: number, format: Format): Buffer {
  const noop = format === 'json' ? '{"noop":true}' : 'noop';
  return Buffer.from(`id: ${formatPosition(position)}\ndata: ${noop}\nretry: ${Math.round(retryMs)}\n\n`);
}

/** `position` is what the client would come back with: its own, until it has read what follows. */
export function encodeReset(channel: string, reason: ResetReason, position: Position, format: Format): Buffer {
  // Neither notation needs escaping: a channel name has no character that is special in XML.
  const data =
    format === 'json'
      ? JSON.stringify({ reset: { channel, reason } })
      : `<message><reset><channel>${channel}</channel><reason>${reason}</reason></reset></message>`;
  return Buffer.from(`event: reset\ndata: ${data}\nid: ${formatPosition(position)}\n\n`);
}

function frameOf(message: Message, format: Format): Buffer {
  if (message.oversize) return encodeReset(message.channel, 'oversize', message.id, format);
  // The id is last: when a connection dies in mid-frame, some clients would move their position past a message they never got.
  const tail = `\nid: ${formatPosition(message.id)}\n\n`;
  const head = message.event === undefined ? 'data: ' : `event: ${message.event}\ndata: `;
  if (format === 'json') return Buffer.from(head + toJson(message) + tail);
  const { payload } = message;
  if (isOneLine(payload) && isUtf8(payload)) return wrap(head, payload, tail);
  // toString turns what is not UTF-8 into U+FFFD and, unlike TextDecoder, keeps a leading byte order mark.
  return Buffer.from(head + payload.toString('utf8').replace(LINE_END, '\ndata: ') + tail);
}

function isOneLine(payload: Buffer): boolean {
  return payload.indexOf(LF) < 0 && payload.indexOf(CR) < 0;
}

/** Puts the payload's bytes between two ASCII texts without making a string of them. */
function wrap(head: string, payload: Buffer, tail: string): Buffer {
  const frame = Buffer.allocUnsafe(head.length + payload.length + tail.length);
  frame.write(head, 0, 'latin1');
  payload.copy(frame, head.length);
  frame.write(tail, head.length + payload.length, 'latin1');
  return frame;
}
