import { setTimeout as wait } from 'node:timers/promises';
import type { Log } from './queue.ts';
import { NO_TEXT, timeToken } from './time-token.ts';
import { applyUpdates, type Fate, type Item, replaceState, type State, type Update } from './updates.ts';

export interface SyncClientOptions {
  /** Where `/poll` and `/update` are, such as `http://localhost:3001` or `http://localhost:3001/sync/users`. */
  url: string;
  /** The name of the primary key. */
  key: string;
  sendSecret?: string;
  receiveSecret?: string;
  log: Log;
  /** The first pause before another attempt (ms), and the longest. */
  pauses?: { first: number; longest: number };
  /** So long a silence (ms) means that the connection is dead: the server sends something every 15 s. */
  silence?: number;
}

export interface PollOptions {
  /** A record counts as updated only if one of these members is different. */
  watch?: readonly string[];
  signal?: AbortSignal;
}

/** Called for each line: the state, and what has happened to which record. */
export type Callback = (state: ReadonlyMap<string, Item>, fates: ReadonlyMap<string, Fate>) => void | Promise<void>;

/** The server refuses the secret: trying again would change nothing. */
export class WrongSecret extends Error {
  override readonly name = 'WrongSecret';
}

const PAUSES = { first: 250, longest: 10_000 };
const SILENCE = 45_000;
/** How long an update may take (ms). */
const SENDING = 10_000;

/** Follows one dictionary, and updates it. */
export class SyncClient {
  readonly #options: SyncClientOptions;

  constructor(options: SyncClientOptions) {
    this.#options = options;
  }

  sendUpdate(update: Update): Promise<void> {
    return this.sendUpdates([update]);
  }

  /** @throws WrongSecret, or Error with what the server has answered; then nothing has changed, if it answered */
  async sendUpdates(updates: readonly Update[]): Promise<void> {
    const { url, sendSecret = '' } = this.#options;
    const data = JSON.stringify(updates);
    const body = new URLSearchParams({ data, hmac: timeToken(sendSecret, data) });
    const response = await fetch(`${url}/update`, { method: 'POST', body, signal: AbortSignal.timeout(SENDING) });
    const text = await response.text();
    if (response.status === 403) throw new WrongSecret(`${url}/update answered 403: ${text.slice(0, 200)}`);
    if (!response.ok) throw new Error(`${url}/update answered ${response.status}: ${text.slice(0, 200)}`);
  }

  /**
   * Calls back with the state and each change of it, through reconnects: what was deleted while the connection was away is reported, too.
   * Settles when the signal aborts. @throws WrongSecret
   */
  async pollUpdates(callback: Callback, { watch, signal }: PollOptions = {}): Promise<void> {
    const { pauses = PAUSES } = this.#options;
    const state: State = new Map();
    let pause = pauses.first;
    const onLine = async (updates: Update[], isWhole: boolean): Promise<void> => {
      pause = pauses.first;
      const apply = isWhole ? replaceState : applyUpdates;
      await this.#call(callback, state, apply(state, updates, this.#options.key, watch));
    };
    while (!signal?.aborted) {
      try {
        await this.#poll(onLine, signal);
      } catch (error) {
        if (error instanceof WrongSecret) throw error;
        if (signal?.aborted) return;
        this.#options.log.error({ event: 'poll_failed', err: error }, `another attempt in ${pause} ms`);
      }
      await wait(pause * (0.5 + Math.random()), undefined, signal && { signal }).catch(() => undefined);
      pause = Math.min(2 * pause, pauses.longest);
    }
  }

  async #call(callback: Callback, state: State, fates: Map<string, Fate>): Promise<void> {
    try {
      await callback(state, fates);
    } catch (error) {
      this.#options.log.error({ event: 'callback_failed', err: error });
    }
  }

  /** One connection. The first line is the whole state. */
  async #poll(
    onLine: (updates: Update[], isWhole: boolean) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { url, receiveSecret = '', silence = SILENCE } = this.#options;
    const giveUp = new AbortController();
    const ends = AbortSignal.any([giveUp.signal, ...(signal ? [signal] : [])]);
    let timer = setTimeout(() => giveUp.abort(new Error('the server is silent')), silence);
    try {
      const query = new URLSearchParams({ hmac: timeToken(receiveSecret, NO_TEXT) });
      const response = await fetch(`${url}/poll?${query}`, { signal: ends });
      if (response.status === 403) throw new WrongSecret(`${url}/poll answered 403: ${await response.text()}`);
      if (!response.ok || !response.body) throw new Error(`${url}/poll answered ${response.status}`);
      let pending = '';
      let isFirst = true;
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        clearTimeout(timer);
        timer = setTimeout(() => giveUp.abort(new Error('the server is silent')), silence);
        pending += chunk;
        const lines = pending.split('\n');
        pending = lines.pop()!;
        for (const line of lines) {
          await onLine(JSON.parse(line) as Update[], isFirst);
          isFirst = false;
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
