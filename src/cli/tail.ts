import { once } from 'node:events';
import { Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { loadConfig } from '../config.ts';
import { requireUser } from '../message/names.ts';
import { type Command, type Io, type Sink, UsageError } from './command.ts';
import { EventParser, type ServerEvent } from './event-parser.ts';
import { usage } from './publish.ts';
import { onlyMine } from './publisher.ts';
import { reasonOf } from './reason.ts';

const DEFAULT_URL = 'http://127.0.0.1:3001';
const FIRST_RETRY = 3_000;

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
    const print = options.raw ? printRaw : printReadable;
    return new Tail(`${url ?? DEFAULT_URL}/stream?${query}`, print, { stdout, stderr }).run();
  },
};

type Print = (stdout: Sink, event: ServerEvent, text: string) => void;

/** Follows one stream through its reconnects, as an EventSource would. */
class Tail {
  readonly #url: string;
  readonly #print: Print;
  readonly #io: Pick<Io, 'stdout' | 'stderr'>;
  #position: string | undefined;
  #retry = FIRST_RETRY;

  constructor(url: string, print: Print, io: Pick<Io, 'stdout' | 'stderr'>) {
    this.#url = url;
    this.#print = print;
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
    const parser = new EventParser();
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      for (const { event, text } of parser.push(decoder.decode(chunk, { stream: true }))) this.#take(event, text);
      // Nobody reads what is printed: then nothing more is read here, and nothing piles up.
      if (stdout instanceof Writable && stdout.writableNeedDrain) await once(stdout, 'drain');
    }
  }

  #take(event: ServerEvent, text: string): void {
    this.#print(this.#io.stdout, event, text);
    if (event.retry !== undefined) this.#retry = event.retry;
    if (event.data === '{"status":"failure"}' || event.data === '<message><status>failure</status></message>') {
      throw new Refusal('the gateway does not take this user');
    }
    if (event.id !== undefined) this.#position = event.id;
  }
}

/** Another try would end the same way. */
class Refusal extends Error {}

const printRaw: Print = (stdout, _event, text) => void stdout.write(text);

/** `room:918 #12 hello`, and what the gateway itself says behind `--`; a `noop` says nothing. */
const printReadable: Print = (stdout, { event, data }) => {
  const message = JSON.parse(data) as Record<string, unknown>;
  if ('noop' in message) return;
  if ('status' in message) stdout.write(`-- ${message.status}\n`);
  else if ('reset' in message) stdout.write(`-- reset ${visible(JSON.stringify(message.reset))}\n`);
  else {
    const name = event === undefined ? '' : ` (${event})`;
    const text = typeof message.data === 'string' ? message.data : JSON.stringify(message.data);
    stdout.write(`${message.channel} #${message.revision}${name} ${visible(text)}\n`);
  }
};

/** Nothing that a publisher sends may steer the terminal. */
function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => {
    return character === '\t' || character === '\n'
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
