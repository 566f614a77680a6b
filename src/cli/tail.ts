import { once } from 'node:events';
import { Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { createParser, type EventSourceMessage, type EventSourceParser } from 'eventsource-parser';
import { loadConfig } from '../config.ts';
import { requireUser } from '../message/names.ts';
import { type Command, type Io, type Sink, UsageError } from './command.ts';
import { usage } from './publish.ts';
import { onlyMine } from './publisher.ts';
import { reasonOf } from './reason.ts';

const DEFAULT_URL = 'http://127.0.0.1:3001';
const FIRST_RETRY = 3_000;
/** A longer `retry:` than twelve days is ignored: a timer of Node overflows at 25 days, and would not wait at all (ms). */
const LONGEST_RETRY = 999_999_999;
/** The largest message, 64 MB, with each byte written as the six characters of \u0001. */
const MAX_EVENT = 400_000_000;

export const tail: Command = {
  name: 'tail',
  parameters: '<user>',
  summary: `prints what a user's stream carries (--url, or ${DEFAULT_URL})`,
  positionals: [1, 1],
  options: {
    raw: { type: 'boolean', meaning: 'the stream as it is on the wire' },
    since: { type: 'string', meaning: 'from behind this id on' },
    overlap: { type: 'string', meaning: 'with the last so many messages of each channel' },
  },
  async run({ positionals: [name], flags, options, env, stdout, stderr }) {
    const user = usage(() => requireUser(name));
    const { url } = loadConfig(flags, onlyMine(env));
    const query = new URLSearchParams({ user, format: options.raw ? 'raw' : 'json' });
    for (const start of ['since', 'overlap']) {
      const value = options[start];
      if (value === undefined) continue;
      if (typeof value !== 'string' || !/^\d+$/.test(value)) throw new UsageError(`--${start} takes a number`);
      query.set(start, value);
    }
    return new Tail(`${url ?? DEFAULT_URL}/stream?${query}`, options.raw === true, { stdout, stderr }).run();
  },
};

/** Follows one stream through its reconnects, as an EventSource would. */
class Tail {
  readonly #url: string;
  readonly #isRaw: boolean;
  readonly #io: Pick<Io, 'stdout' | 'stderr'>;
  #position: string | undefined;
  #retry = FIRST_RETRY;

  constructor(url: string, isRaw: boolean, io: Pick<Io, 'stdout' | 'stderr'>) {
    this.#url = url;
    this.#isRaw = isRaw;
    this.#io = io;
  }

  /** Only ends by an error: what is wrong at the start, or a refusal. */
  async run(): Promise<never> {
    for (;;) {
      let reason = 'the gateway has ended the stream';
      try {
        await this.#readStream();
      } catch (error) {
        // What never worked will not work in 3 s either.
        if (this.#position === undefined || error instanceof Refusal) throw error;
        reason = reasonOf(error);
      }
      this.#io.stderr.write(`sisyphus: ${reason}; again in ${(this.#retry / 1000).toFixed(1)} s\n`);
      await wait(this.#retry);
    }
  }

  async #readStream(): Promise<void> {
    const { stdout } = this.#io;
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (this.#position !== undefined) headers['Last-Event-ID'] = this.#position;
    const response = await fetch(this.#url, { headers }).catch((error: unknown) => {
      throw new Error(`cannot reach ${new URL(this.#url).origin} (${reasonOf(error)})`, { cause: error });
    });
    const type = response.headers.get('Content-Type') ?? 'no content type';
    if (response.status !== 200 || !type.startsWith('text/event-stream') || !response.body) {
      throw new Refusal(`${new URL(this.#url).origin} is no gateway: it answered ${response.status}, ${type}`);
    }
    const parser = this.#createParser();
    const decoder = new TextDecoder();
    let unfinished = '';
    for await (const chunk of response.body) {
      const text = decoder.decode(chunk, { stream: true });
      if (this.#isRaw) unfinished = printWhole(stdout, unfinished, text);
      parser.feed(text);
      // Nobody reads what is printed: then nothing more is read here, and nothing piles up.
      if (stdout instanceof Writable && stdout.writableNeedDrain) await once(stdout, 'drain');
    }
  }

  /** For one connection: an event that is not complete when it ends is dropped, its id too, and the gateway sends it again. */
  #createParser(): EventSourceParser {
    return createParser({
      maxBufferSize: MAX_EVENT,
      onEvent: (event) => this.#take(event),
      onRetry: (retry) => {
        if (retry <= LONGEST_RETRY) this.#retry = retry;
      },
      // The other errors are fields that the standard wants ignored.
      onError: ({ type }) => {
        if (type !== 'max-buffer-size-exceeded') return;
        throw new Refusal(
          `${new URL(this.#url).origin} is no gateway: expected events of up to ${MAX_EVENT} characters`,
        );
      },
    });
  }

  #take(event: EventSourceMessage): void {
    if (!this.#isRaw) printReadable(this.#io.stdout, event);
    if (event.data === '{"status":"failure"}' || event.data === '<message><status>failure</status></message>') {
      throw new Refusal('the gateway does not take this user');
    }
    if (event.id !== undefined) this.#position = event.id;
  }
}

/** Another try would end the same way. */
class Refusal extends Error {}

/** Prints the events that are complete, as they are on the wire, and answers what is left. */
function printWhole(stdout: Sink, unfinished: string, text: string): string {
  const all = unfinished + text;
  // Only a line feed ends an event; to look through a large one again and again would take its size squared.
  const end = text.includes('\n') ? all.lastIndexOf('\n\n') : -1;
  if (end < 0) return all;
  stdout.write(all.slice(0, end + 2));
  return all.slice(end + 2);
}

/** `room:918 #12 hello`, and what the gateway itself says behind `--`; a `noop` says nothing. */
function printReadable(stdout: Sink, { event, data }: EventSourceMessage): void {
  const message = JSON.parse(data) as Record<string, unknown>;
  if ('noop' in message) return;
  if ('status' in message) stdout.write(`-- ${message.status}\n`);
  else if ('reset' in message) stdout.write(`-- reset ${visible(JSON.stringify(message.reset))}\n`);
  else {
    const name = event === undefined ? '' : ` (${event})`;
    const text = typeof message.data === 'string' ? message.data : JSON.stringify(message.data);
    stdout.write(`${message.channel} #${message.revision}${name} ${visible(text)}\n`);
  }
}

/** Nothing that a publisher sends may steer the terminal. */
function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => {
    return character === '\t' || character === '\n'
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
