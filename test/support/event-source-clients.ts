import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { EventSource as EventSource4 } from 'eventsource';
import { createParser } from 'eventsource-parser';
import EventSource2 from 'eventsource2';
import { EventSource as LaunchDarkly } from 'launchdarkly-eventsource';
import { EventSource as Undici } from 'undici';
import { reportRefusal } from './refusals.ts';
import { within } from './wait.ts';

export interface Received {
  id: string;
  event: string;
  data: string;
}

/** A client library at work, the same to every test. */
export interface EventSourceClient {
  readonly name: string;
  /** Everything it handed to its application, status and noop too. */
  read(): Promise<readonly Received[]>;
  close(): Promise<void>;
}

export type OpenClient = (url: string, events: string[]) => Promise<EventSourceClient>;

/** What the npm libraries have in common, however they declare it. */
interface Emitter {
  readonly readyState: number;
  addEventListener(type: string, listener: (event: Incoming) => void): void;
  close(): void;
}

interface Incoming {
  type?: string;
  data?: string;
  lastEventId?: string;
  status?: number;
  code?: number;
  message?: string;
}

const CLOSED = 2;

function listen(name: string, url: string, events: string[], make: (url: string) => unknown): EventSourceClient {
  const received: Received[] = [];
  let source = connect(url);
  let lastEventId = '';
  let done = false;

  function connect(to: string): Emitter {
    const emitter = make(to) as Emitter;
    for (const type of ['message', ...events]) {
      emitter.addEventListener(type, (event: Incoming) => {
        lastEventId = event.lastEventId ?? '';
        received.push({ id: lastEventId, event: type, data: event.data ?? '' });
      });
    }
    emitter.addEventListener('error', (event: Incoming) => {
      const status = event.status ?? event.code;
      if (status !== undefined && status !== 200) reportRefusal(`${name}: ${to}`, status);
      // undici takes a connection that breaks within a chunk for the end of everything; its application has to open a new one.
      else if (!done && emitter === source && emitter.readyState === CLOSED) reopen();
    });
    return emitter;
  }

  function reopen(): void {
    const again = new URL(url);
    again.searchParams.set('lastEventId', lastEventId);
    setTimeout(() => {
      if (!done) source = connect(again.href);
    }, 100);
  }

  return {
    name,
    read: async () => received,
    close: async () => {
      done = true;
      source.close();
    },
  };
}

/** Each on a fresh connection to `url`; `events` are the names to listen for besides `message`. */
export const CLIENTS: Record<string, OpenClient> = {
  'eventsource 4': async (url, events) => listen('eventsource 4', url, events, (to) => new EventSource4(to)),
  'eventsource 2': async (url, events) => listen('eventsource 2', url, events, (to) => new EventSource2(to)),
  undici: async (url, events) => listen('undici', url, events, (to) => new Undici(to)),
  'launchdarkly-eventsource': async (url, events) =>
    // With Node's own agent it takes 5 s of silence for the end of the connection.
    listen('launchdarkly-eventsource', url, events, (to) => new LaunchDarkly(to, { agent: new Agent() })),
  'eventsource-parser': parserClient(20),
};

/** `eventsource-parser` over fetch, which reconnects with the last id, as its users write it, and when they want to. */
export function parserClient(reconnectMs: number): OpenClient {
  return async (url) => openParser(url, reconnectMs);
}

async function openParser(url: string, reconnectMs: number): Promise<EventSourceClient> {
  const received: Received[] = [];
  const abort = new AbortController();
  let lastEventId = '';
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      if (id !== undefined) lastEventId = id;
      received.push({ id: lastEventId, event: event ?? 'message', data });
    },
    onError: (error) => received.push({ id: '', event: 'parse error', data: error.message }),
  });

  async function readOnce(): Promise<void> {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (lastEventId !== '') headers['Last-Event-ID'] = lastEventId;
    const response = await fetch(url, { headers, signal: abort.signal });
    if (response.status !== 200) reportRefusal(`eventsource-parser: ${url}`, response.status);
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) parser.feed(decoder.decode(bytes, { stream: true }));
  }

  async function run(): Promise<void> {
    while (!abort.signal.aborted) {
      await readOnce().catch(() => {}); // a broken connection is what it is here to survive
      parser.reset();
      await pause(reconnectMs, undefined, { signal: abort.signal }).catch(() => {}); // closed meanwhile
    }
  }

  const running = run();
  return {
    name: 'eventsource-parser',
    read: async () => received,
    close: async () => {
      abort.abort();
      await within(running, 2_000, 'eventsource-parser to end');
    },
  };
}
