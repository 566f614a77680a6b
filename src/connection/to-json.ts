import type { Message } from '../message/message.ts';
import { formatPosition } from '../message/position.ts';
import { xmlToObject } from '../message/xml.ts';

/** A message as one line of JSON, for `format=json`. */
export function toJson({ channel, revision, id, payload }: Message): string {
  const names = `"channel":${JSON.stringify(channel)},"revision":${revision},"id":"${formatPosition(id)}"`;
  return `{${names},"data":${dataOf(payload.toString('utf8'))}}`;
}

function dataOf(text: string): string {
  if (isJson(text)) {
    // As it was written, so that 12345678901234567890 and 1.0 stay what they are. In valid JSON a line break is only
    // ever space between values: within a string it has to be escaped.
    return text.replace(/[\r\n]+/g, ' ');
  }
  return JSON.stringify(xmlToObject(text) ?? text);
}

function isJson(text: string): boolean {
  // Most of what is published is XML: no exception for each.
  if (text.startsWith('<')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    // No JSON is no mistake.
    return false;
  }
}
