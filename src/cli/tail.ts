import { once } from 'node:events';
import { type Readable, Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { createParser, type EventSourceMessage, type EventSourceParser } from 'eventsource-parser';
import { loadConfig } from '../config/config.ts';
import { bearer } from '../config/values.ts';
import { requireChannel, requireUser } from '../message/names.ts';
import { type Command, type Io, type Sink, UsageError } from './command.ts';
import { gatewayAddress } from './gateway-address.ts';
import { messageOf } from './gateway-answer.ts';
import { onlyMine } from './own-variables.ts';
import { printJson, printReadable, type StreamEvent } from './print-event.ts';
import { readData, usage } from './publish.ts';
import { reasonOf } from './reason.ts';

/** How long to wait before reconnecting until the stream sends a `retry:` (ms). */
const FIRST_RETRY = 3_000;
/** The longest `retry:` that is obeyed, about twelve days (ms). Node's timers overflow at 25 days, and then do not wait at all. */
const LONGEST_RETRY = 999_999_999;
/** The largest event (characters): a message of 64 MB, with each byte written as six characters, such as \u0001. */
const MAX_EVENT = 400_000_000;

export const tail: Command = {
  name: 'tail',
  parameters: '[user]',
  summary: "prints what a user's stream carries, through reconnects",
  positionals: [0, 1],
  options: {
    user: { type: 'string', meaning: 'the user, as the argument' },
    channel: { type: 'string', meaning: 'only these channels, with commas between' },
    json: { type: 'boolean', meaning: 'each event as a line of JSON' },
    raw: { type: 'boolean', meaning: 'the stream as it is on the wire' },
    since: { type: 'string', meaning: 'from behind this id on' },
    overlap: { type: 'string', meaning: 'with the last so many messages of each channel' },
  },
  async run({ positionals, flags, options, env, stdin, stdout, stderr }) {
    if (positionals.length > 0 && options.user !== undefined)
      throw new UsageError('--user stands beside an argument, which is the user too: expected one of them');
    const name = positionals[0] ?? options.user;
    const channels = channelsOf(options.channel);
    if (options.json === true && options.raw === true)
      throw new UsageError('--json stands beside --raw: expected one of them');
    const user = name === undefined ? undefined : usage(() => requireUser(name));
    const { accessToken } = loadConfig(flags, onlyMine(env));
    const credential = accessToken === '-' ? await readCredential(stdin) : accessToken;
    if (user === undefined && credential === undefined && channels.length === 0) {
      throw new UsageError(
        'tail needs a user, if the gateway has SISYPHUS_AUTH=open, a credential in SISYPHUS_ACCESS_TOKEN, or a public --channel',
      );
    }
    const query = new URLSearchParams({ ...(user !== undefined && { user }), format: options.raw ? 'raw' : 'json' });
    for (const start of ['since', 'overlap']) {
      const value = options[start];
      if (value === undefined) continue;
      if (typeof value !== 'string' || !/^\d+$/.test(value)) throw new UsageError(`--${start} takes a number`);
      query.set(start, value);
    }
    for (const channel of channels) query.append('c', channel);
    const address = `${gatewayAddress('streams', flags, env)}/stream?${query}`;
    const show = options.raw ? undefined : options.json ? printJson : printReadable;
    return new Tail({ url: address, credential, show }, { stdout, stderr }).run();
  },
};

function channelsOf(list: string | boolean | undefined): string[] {
  if (typeof list !== 'string') return [];
  return list.split(',').map((name) => usage(() => requireChannel(name.trim())));
}

/** The first line of standard input. Every user of the machine can see a flag, and every process of the same user a variable. */
async function readCredential(stdin: Readable): Promise<string> {
  const [line = ''] = (await readData('-', stdin)).toString().split(/\r?\n/);
  return usage(() => bearer(line.trim()));
}

interface TailOptions {
  url: string;
  /** Sent as `Authorization: Bearer`, and never in the address, because proxies log addresses. */
  credential: string | undefined;
  /** Prints an event; `undefined`: the stream is printed as it is on the wire. */
  show: ((stdout: Sink, event: StreamEvent) => void) | undefined;
}

/**
 * A gateway says in JSON what is wrong, for example that this port has no streams. The body of another server is not read, because it may
 * never end.
 */
async function refusalOf(response: Response, type: string): Promise<string> {
  const { origin } = new URL(response.url);
  const said = type.startsWith('application/json') ? messageOf(await response.text()) : undefined;
  return said === undefined
    ? `${origin} is no gateway: it answered ${response.status}, ${type}`
    : `${origin} opens no stream (${response.status}): ${said}`;
}

/** Reads one stream and reconnects, as an EventSource does. */
class Tail {
  readonly #url: string;
  readonly #credential: string | undefined;
  readonly #show: TailOptions['show'];
  readonly #io: Pick<Io, 'stdout' | 'stderr'>;
  #position: string | undefined;
  #retry = FIRST_RETRY;
  /** The first comment of the frame that is being read: in the raw format a refusal has its reason there. */
  #comment: string | undefined;

  constructor({ url, credential, show }: TailOptions, io: Pick<Io, 'stdout' | 'stderr'>) {
    this.#url = url;
    this.#credential = credential;
    this.#show = show;
    this.#io = io;
  }

  /** Never resolves. Rejects if the stream fails before its first id has been received, or with a refusal. */
  async run(): Promise<never> {
    for (;;) {
      let reason = 'the gateway has ended the stream';
      try {
        await this.#readStream();
      } catch (error) {
        // A stream that never worked will not work in 3 s either.
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
    if (this.#credential !== undefined) headers.Authorization = `Bearer ${this.#credential}`;
    const response = await fetch(this.#url, { headers }).catch((error: unknown) => {
      throw new Error(`cannot reach ${new URL(this.#url).origin} (${reasonOf(error)})`, { cause: error });
    });
    const type = response.headers.get('Content-Type') ?? 'no content type';
    if (response.status !== 200 || !type.startsWith('text/event-stream') || !response.body) {
      throw new Refusal(await refusalOf(response, type));
    }
    const parser = this.#createParser();
    const decoder = new TextDecoder();
    let unfinished = '';
    for await (const chunk of response.body) {
      const text = decoder.decode(chunk, { stream: true });
      if (!this.#show) unfinished = printWhole(stdout, unfinished, text);
      parser.feed(text);
      // If the output is not read, stop reading the stream, so that nothing accumulates.
      if (stdout instanceof Writable && stdout.writableNeedDrain) await once(stdout, 'drain');
    }
  }

  /**
   * Each connection has its own parser: an event that is incomplete when the connection ends is dropped with its id, and the gateway
   * sends it again.
   */
  #createParser(): EventSourceParser {
    return createParser({
      maxBufferSize: MAX_EVENT,
      onEvent: (event) => this.#take(event),
      onComment: (comment) => {
        this.#comment ??= comment.trim();
      },
      onRetry: (retry) => {
        if (retry <= LONGEST_RETRY) this.#retry = retry;
      },
      // All other errors are fields that the standard requires to be ignored.
      onError: ({ type }) => {
        if (type !== 'max-buffer-size-exceeded') return;
        throw new Refusal(
          `${new URL(this.#url).origin} is no gateway: expected events of up to ${MAX_EVENT} characters`,
        );
      },
    });
  }

  #take(event: EventSourceMessage): void {
    this.#show?.(this.#io.stdout, event);
    const [isRefused, reason] = refusalIn(event.data, this.#comment);
    this.#comment = undefined;
    if (isRefused) {
      const who = this.#credential === undefined ? 'this user' : 'this credential';
      throw new Refusal(`the gateway does not take ${who}${reason === undefined ? '' : ` (${reason})`}`);
    }
    if (event.id !== undefined) this.#position = event.id;
  }
}

/** Whether the status in a frame is `failure`, and the reason if the frame has one. @param comment the comment in the frame */
function refusalIn(data: string, comment: string | undefined): [isRefused: boolean, reason?: string | undefined] {
  if (data === '<message><status>failure</status></message>') return [true, comment];
  if (!data.startsWith('{"status":"failure"')) return [false];
  const { reason } = JSON.parse(data) as { reason?: string };
  return [true, reason];
}

/** An error that a retry would only repeat. */
class Refusal extends Error {}

/** Prints the complete events as they are on the wire. @returns the rest, an incomplete event */
function printWhole(stdout: Sink, unfinished: string, text: string): string {
  const all = unfinished + text;
  // Only a line feed ends an event. Searching a large event again for each chunk would take time in the square of its size.
  const end = text.includes('\n') ? all.lastIndexOf('\n\n') : -1;
  if (end < 0) return all;
  stdout.write(all.slice(0, end + 2));
  return all.slice(end + 2);
}
