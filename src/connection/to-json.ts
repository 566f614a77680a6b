import type { Message } from '../message/message.ts';
import { formatPosition } from '../message/position.ts';
import { xmlToObject } from '../message/xml.ts';

/** A message as one line of JSON, for `format=json`, or with its event's name for `format=frames`. */
export function toJson({ channel, revision, id, event, trace, payload }: Message, hasEvent = false): string {
  const names = `"channel":${JSON.stringify(channel)},"revision":${revision},"id":"${formatPosition(id)}"`;
  return `{${names},${hasEvent ? eventOf(event) : ''}${traceOf(trace)}"data":${dataOf(payload.toString('utf8'))}}`;
}

/** A message of a channel that the answer names elsewhere, as JSON. */
export function toItem({ id, revision, event, trace, payload }: Message): string {
  return `{"id":"${formatPosition(id)}","revision":${revision},${eventOf(event)}${traceOf(trace)}"data":${dataOf(payload.toString('utf8'))}}`;
}

/** A message in the answer to a long poll: its revision as the id, and the JSON that it is, or its text as a JSON string. */
export function toRevisionItem({ revision, payload, oversize }: Message): string {
  if (oversize) return `{"id":${revision}}`;
  const text = payload.toString('utf8');
  return `{"id":${revision},"payload":${isJson(text) ? text : JSON.stringify(text)}}`;
}

function eventOf(event: string | undefined): string {
  return event === undefined ? '' : `"event":${JSON.stringify(event)},`;
}

function traceOf(trace: string | undefined): string {
  return trace === undefined ? '' : `"traceparent":"${trace}",`;
}

function dataOf(text: string): string {
  if (isJson(text)) {
    // The JSON is not parsed and written again, so that 12345678901234567890 and 1.0 stay as they are. A line break in valid JSON is
    // always white space between values, because within a string it has to be escaped. So it may become a space.
    return text.replace(/[\r\n]+/g, ' ');
  }
  return JSON.stringify(xmlToObject(text) ?? text);
}

function isJson(text: string): boolean {
  // Most payloads are XML: do not cause an exception in `JSON.parse` for each of them.
  if (text.startsWith('<')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    // A payload that is not JSON is not an error.
    return false;
  }
}
