import { isUtf8 } from 'node:buffer';
import type { Delivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { formatPosition, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Refusal } from './refusal.ts';
import { toJson } from './to-json.ts';

/**
 * `raw` forwards each payload as it was published; `json` wraps it in a JSON object with channel, revision and id. `frames` is JSON for a
 * client that reads every event in one listener: no frame has an `event:` line, and the event's name and `retry` are in the JSON.
 */
export const FORMATS = ['raw', 'json', 'frames'] as const;

export type Format = (typeof FORMATS)[number];

/** The format of this name, or else `raw`. */
export function formatOf(name: string | undefined): Format {
  return FORMATS.find((format) => format === name) ?? 'raw';
}

export type Status = 'ok' | 'error' | 'failure';

const LF = 10;
const CR = 13;

/**
 * The three line ends of the standard. Each one in a payload begins a new `data:` line, so that a payload cannot end its own frame.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
const LINE_END = /\r\n|\r|\n/g;

/** The frame of a message. It is encoded for the first stream that needs it, and kept in the delivery for the others. */
export function encodeMessage({ message, frames }: Delivery, format: Format): Buffer {
  if (format === 'json') {
    frames.json ??= frameOf(message, format);
    return frames.json;
  }
  if (format === 'frames') {
    frames.frames ??= frameOf(message, format);
    return frames.frames;
  }
  frames.raw ??= frameOf(message, format);
  return frames.raw;
}

/** Additions to a status frame, for the developer of the page. */
export interface Remarks {
  /** Why the stream is refused, or ends. */
  refusal?: Refusal | undefined;
  /** The variable with the limit that is reached. */
  limit?: string | undefined;
  /** After so long without a frame (ms) a noop comes, so that a client can tell a quiet stream from a dead one. Only in JSON, and with `ok`. */
  noopInterval?: number | undefined;
  /** One sentence for each ignored part of the request. */
  notes?: readonly string[] | undefined;
}

/**
 * The status frame: the first frame of a stream, or its last. Comment lines are inside the frame, after its fields: every parser
 * skips a comment line, but some clients deliver an empty event for a block that consists of comments only.
 */
export function encodeStatus(
  status: Status,
  position: Position,
  retryMs: number,
  format: Format,
  { refusal, limit, noopInterval, notes = [] }: Remarks = {},
): Buffer {
  const isRaw = format === 'raw';
  const retry = Math.round(retryMs);
  const told = {
    noopInterval: status === 'ok' ? noopInterval : undefined,
    retry: format === 'frames' ? retry : undefined,
  };
  const data = isRaw
    ? `<message><status>${status}</status></message>`
    : JSON.stringify({ status, reason: refusal, limit, ...told });
  const words = isRaw ? [refusal, limit].filter((word) => word !== undefined) : [];
  const comments = [...words, ...notes].map(commentOf).join('');
  return Buffer.from(`id: ${formatPosition(position)}\ndata: ${data}\nretry: ${retry}\n${comments}\n`);
}

function commentOf(text: string): string {
  return `: ${text.replace(LINE_END, ' ')}\n`;
}

let lastNoop: { position: Position; format: Format; frame: Buffer } | undefined;

/** The frame of a noop. The last one is kept, because most silent streams are at the same position: that of the gateway. */
export function encodeNoop(position: Position, format: Format): Buffer {
  if (lastNoop?.position !== position || lastNoop.format !== format) {
    const text = `id: ${formatPosition(position)}\ndata: ${format === 'raw' ? 'noop' : '{"noop":true}'}\n\n`;
    lastNoop = { position, format, frame: Buffer.from(text) };
  }
  return lastNoop.frame;
}

/** The last frame before a shutdown. `retryMs` is different for each client, so that they do not all come back at once. */
export function encodeGoodbye(position: Position, retryMs: number, format: Format): Buffer {
  const retry = Math.round(retryMs);
  const noops = { raw: 'noop', json: '{"noop":true}', frames: `{"noop":true,"retry":${retry}}` };
  return Buffer.from(`id: ${formatPosition(position)}\ndata: ${noops[format]}\nretry: ${retry}\n\n`);
}

/** `position` becomes the client's `Last-Event-ID`. A reset does not advance it, except to the id of an `oversize` message. */
export function encodeReset(channel: string, reason: ResetReason, position: Position, format: Format): Buffer {
  // The XML needs no escaping: no character of a channel name is special in XML.
  const data =
    format === 'raw'
      ? `<message><reset><channel>${channel}</channel><reason>${reason}</reason></reset></message>`
      : JSON.stringify({ reset: { channel, reason } });
  return Buffer.from(`${eventLine('reset', format)}data: ${data}\nid: ${formatPosition(position)}\n\n`);
}

/** The client has named this channel and may not read it. The XML needs no escaping, as in a reset. */
export function encodeDenied(channel: string, position: Position, format: Format): Buffer {
  const data =
    format === 'raw'
      ? `<message><denied><channel>${channel}</channel></denied></message>`
      : JSON.stringify({ denied: { channel } });
  return Buffer.from(`${eventLine('denied', format)}data: ${data}\nid: ${formatPosition(position)}\n\n`);
}

function eventLine(name: string | undefined, format: Format): string {
  return name === undefined || format === 'frames' ? '' : `event: ${name}\n`;
}

function frameOf(message: Message, format: Format): Buffer {
  if (message.oversize) return encodeReset(message.channel, 'oversize', message.id, format);
  // The `id:` line is last: if a connection dies in mid-frame, some clients keep an id that they have read, and would skip the message.
  const tail = `\nid: ${formatPosition(message.id)}\n\n`;
  const head = `${eventLine(message.event, format)}data: `;
  if (format !== 'raw') return Buffer.from(head + toJson(message, format === 'frames') + tail);
  const { payload } = message;
  if (isOneLine(payload) && isUtf8(payload)) return wrap(head, payload, tail);
  // `toString` replaces bytes that are not UTF-8 by U+FFFD and, unlike TextDecoder, keeps a leading byte order mark.
  return Buffer.from(head + payload.toString('utf8').replace(LINE_END, '\ndata: ') + tail);
}

function isOneLine(payload: Buffer): boolean {
  return payload.indexOf(LF) < 0 && payload.indexOf(CR) < 0;
}

/** Copies the payload's bytes between two ASCII texts, without decoding them to a string. */
function wrap(head: string, payload: Buffer, tail: string): Buffer {
  const frame = Buffer.allocUnsafe(head.length + payload.length + tail.length);
  frame.write(head, 0, 'latin1');
  payload.copy(frame, head.length);
  frame.write(tail, head.length + payload.length, 'latin1');
  return frame;
}
