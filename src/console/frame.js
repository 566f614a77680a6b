/**
 * What the texts of a stream in the format raw look like; of a message only the text is known. A group ends at the next sign `<`, because a
 * message that is made for it could keep the page busy for minutes otherwise.
 */
const STATUS = /^<message><status>(\w+)<\/status><\/message>$/;
const RESET = /^<message><reset><channel>([^<]*)<\/channel><reason>([^<]*)<\/reason><\/reset><\/message>$/;
const DENIED = /^<message><denied><channel>([^<]*)<\/channel><\/denied><\/message>$/;

/**
 * Reads a frame as an EventSource has given it.
 *
 * kind: status, noop, reset, denied or message; word: what the status says, the reason of a reset, or the name of the event.
 */
export function readFrame({ type, data, lastEventId }, format) {
  const found = format === 'raw' ? readRaw(type, data) : readJson(type, data);
  return {
    channel: undefined,
    revision: undefined,
    word: undefined,
    text: data,
    ...found,
    id: lastEventId,
    type,
    data,
  };
}

function readJson(type, data) {
  const value = parse(data);
  if (value?.status) {
    const why = [value.reason, value.limit].filter(Boolean).join(', ');
    return { kind: 'status', word: value.status, text: why, value };
  }
  if (value?.noop) return { kind: 'noop', text: '', value };
  if (value?.reset) return { kind: 'reset', channel: value.reset.channel, word: value.reset.reason, text: '', value };
  if (value?.denied) return { kind: 'denied', channel: value.denied.channel, text: '', value };
  const text = typeof value?.data === 'string' ? value.data : JSON.stringify(value?.data);
  // With `format=frames` every event is a message, and its name is in the JSON.
  return {
    kind: 'message',
    channel: value?.channel,
    revision: value?.revision,
    word: value?.event ?? eventOf(type),
    text,
    value,
  };
}

function readRaw(type, data) {
  if (data === 'noop') return { kind: 'noop', text: '' };
  const [, status] = STATUS.exec(data) ?? [];
  if (status) return { kind: 'status', word: status, text: '' };
  const [, channel, reason] = RESET.exec(data) ?? [];
  if (type === 'reset') return { kind: 'reset', channel, word: reason, text: '' };
  if (type === 'denied') return { kind: 'denied', channel: DENIED.exec(data)?.[1], text: '' };
  return { kind: 'message', word: eventOf(type), text: data };
}

function eventOf(type) {
  return type === 'message' ? undefined : type;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The lines of the frame, in the order in which the gateway writes them. `retry:` and comments stay in the EventSource. */
export function linesOf({ kind, type, data, id }) {
  const lines = data.split('\n').map((line) => `data: ${line}`);
  const event = type === 'message' ? [] : [`event: ${type}`];
  const isFirst = kind === 'status' || kind === 'noop';
  return [...(isFirst ? [`id: ${id}`] : event), ...lines, ...(isFirst ? [] : [`id: ${id}`])].join('\n');
}
