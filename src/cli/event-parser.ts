export interface ServerEvent {
  id: string | undefined;
  event: string | undefined;
  data: string;
  /** Milliseconds. */
  retry: number | undefined;
}

/**
 * Reads the events of a gateway, which ends lines with LF only. What is not complete when the connection ends is
 * dropped, its `id:` too: the gateway sends it again.
 */
export class EventParser {
  #unfinished = '';

  /** The complete events of what was read so far, with the text that they were read from. */
  push(text: string): { event: ServerEvent; text: string }[] {
    const blocks = (this.#unfinished + text).split('\n\n');
    this.#unfinished = blocks.pop()!;
    return blocks.map((block) => ({ event: parseBlock(block), text: `${block}\n\n` }));
  }
}

// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
function parseBlock(block: string): ServerEvent {
  const event: ServerEvent = { id: undefined, event: undefined, data: '', retry: undefined };
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (field === 'data') data.push(value);
    else if (field === 'id') event.id = value;
    else if (field === 'event') event.event = value;
    else if (field === 'retry' && /^\d{1,9}$/.test(value)) event.retry = Number(value);
  }
  return { ...event, data: data.join('\n') };
}
