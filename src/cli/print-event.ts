import { parsePosition } from '../message/position.ts';
import type { Sink } from './command.ts';
import { timeOf, visible } from './print.ts';

/** An event of a stream, as a parser gives it. */
export interface StreamEvent {
  event?: string | undefined;
  id?: string | undefined;
  data: string;
}

/** Prints a message as `2026-11-28T04:54:00.123Z 1795841640123456 room:918 #12 hello`, a status or a reset of the gateway after `--`, and nothing for a `noop`. */
export function printReadable(stdout: Sink, { event, data }: StreamEvent): void {
  const message = JSON.parse(data) as Record<string, unknown>;
  if ('noop' in message) return;
  if ('status' in message) stdout.write(`-- ${message.status}\n`);
  else if ('reset' in message) stdout.write(`-- reset ${visible(JSON.stringify(message.reset))}\n`);
  else {
    const name = event === undefined ? '' : ` (${event})`;
    const text = typeof message.data === 'string' ? message.data : JSON.stringify(message.data);
    const id = parsePosition(String(message.id));
    const when = id === undefined ? '' : `${timeOf(id)} ${id} `;
    stdout.write(`${when}${message.channel} #${message.revision}${name} ${lines(text)}\n`);
  }
}

/** Whoever looks on reads a text of several lines as such. No message begins with a space, so none of them looks like one. */
function lines(text: string): string {
  return text.split('\n').map(visible).join('\n  ');
}

/** Prints what came as a line of JSON: a message with its time, a status, a reset, and nothing for a `noop`. */
export function printJson(stdout: Sink, { event, data, id }: StreamEvent): void {
  const message = JSON.parse(data) as Record<string, unknown>;
  if ('noop' in message) return;
  const at = 'channel' in message ? parsePosition(String(message.id)) : undefined;
  const time = at === undefined ? {} : { time: timeOf(at) };
  stdout.write(
    `${JSON.stringify({ ...time, ...(id !== undefined && { id }), ...(event !== undefined && { event }), ...message })}\n`,
  );
}
