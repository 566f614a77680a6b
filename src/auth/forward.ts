import { createHash } from 'node:crypto';
import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { LRUCache } from 'lru-cache';
import { type Authenticator, type Identified, type Identity, NOBODY } from './authenticator.ts';
import { identityOf, type Tell } from './claims.ts';
import { ACCESS_TOKEN, cookieOf, credentialOf } from './credential.ts';
import type { HttpRequest } from './http-request.ts';

/** How many requests the application gets at a time; the others wait for their turn, and count their waiting as silence. */
const AT_A_TIME = 64;
/** The largest answer that is read (bytes): some 50,000 channels. */
const MAX_ANSWER = 1_048_576;
/** How many answers are kept. */
const MAX_CACHED = 50_000;

export interface ForwardOptions {
  forwardUrl: string | undefined;
  forwardTimeout: number;
  forwardCache: number;
  headerUser: string;
  cookie: string | undefined;
}

/** The headers of a request by which the application finds out who the client is. */
interface Shown {
  cookie: string | undefined;
  authorization: string | undefined;
  origin: string | undefined;
}

interface Answer {
  status: number;
  user: string | undefined;
  isJson: boolean;
  body: string;
}

/**
 * `SISYPHUS_AUTH=forward`: asks the application, with the credentials of the client. Answers are used again for a while, because after a
 * lost connection all clients come at once. Refusals are not kept, because the client may have logged in since. A kept answer takes 5 µs.
 */
export class ForwardMode implements Authenticator {
  readonly parameters = [ACCESS_TOKEN];
  readonly asks = true;
  readonly #options: ForwardOptions;
  readonly #url: URL;
  readonly #agent: http.Agent;
  readonly #tell: Tell;
  /** By the hash of what was shown. */
  readonly #answers: LRUCache<string, Identified>;
  readonly #asking = new Map<string, { since: number; answer: Promise<Identity> }>();
  /** How often `forget` was called: an answer from before it is not kept. */
  #forgotten = 0;

  constructor(options: ForwardOptions, tell: Tell) {
    this.#options = options;
    this.#url = new URL(options.forwardUrl!);
    const { Agent } = this.#url.protocol === 'https:' ? https : http;
    this.#agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
    this.#tell = tell;
    this.#answers = new LRUCache({ max: MAX_CACHED, ttl: Math.max(1, options.forwardCache) });
  }

  async authenticate(request: HttpRequest): Promise<Identity> {
    const shown = this.#shownBy(request);
    if (shown === 'malformed') return { refusal: 'malformed' };
    if (!shown) return NOBODY;
    const key = hashOf(shown);
    const known = this.#answers.get(key);
    if (known) return known;
    const asking = this.#asking.get(key);
    if (asking) {
      const identity = await asking.answer;
      return 'user' in identity ? { ...identity, since: asking.since } : identity;
    }
    const since = performance.now();
    const answer = this.#ask(request, shown, key, since).finally(() => this.#asking.delete(key));
    this.#asking.set(key, { since, answer });
    return answer;
  }

  forget(user: string | undefined): void {
    this.#forgotten++;
    for (const [key, identity] of this.#answers.entries()) {
      if (user === undefined || identity.user === user) this.#answers.delete(key);
    }
  }

  /** If a cookie is configured, the others are left out: they would change often, and the answer would be asked for again. */
  #shownBy(request: HttpRequest): Shown | 'malformed' | undefined {
    const { cookie: name } = this.#options;
    const found = credentialOf(request, undefined);
    if (found === 'malformed') return found;
    const [other] = request.valuesOf('authorization');
    const authorization = found ? `Bearer ${found.credential}` : other;
    const value = name === undefined ? undefined : cookieOf(request, name);
    const all = request.valuesOf('cookie').join('; ');
    const cookie = name === undefined ? all || undefined : value === undefined ? undefined : `${name}=${value}`;
    if (cookie === undefined && authorization === undefined) return undefined;
    return { cookie, authorization, origin: request.valuesOf('origin').join(', ') || undefined };
  }

  async #ask(request: HttpRequest, shown: Shown, key: string, since: number): Promise<Identity> {
    const forgotten = this.#forgotten;
    const hops = [...request.valuesOf('x-forwarded-for'), request.remoteAddress].filter(Boolean).join(', ');
    const headers = Object.fromEntries(
      Object.entries({ ...shown, accept: 'application/json', 'x-forwarded-for': hops }).filter(([, value]) => value),
    ) as OutgoingHttpHeaders;
    try {
      const answer = await this.#request(headers, AbortSignal.timeout(this.#options.forwardTimeout));
      const identity = this.#identityOf(answer);
      const { forwardCache } = this.#options;
      if ('user' in identity && forwardCache > 0 && forgotten === this.#forgotten) {
        const life = (identity.expires ?? Number.POSITIVE_INFINITY) - Date.now();
        if (life > 0) this.#answers.set(key, { ...identity, since }, { ttl: Math.ceil(Math.min(life, forwardCache)) });
      }
      return identity;
    } catch (error) {
      const { name, message } = error as Error;
      const isLate = name === 'AbortError' || name === 'TimeoutError';
      this.#tell(
        `the application (${this.#url.host}) ${isLate ? 'did not answer in time' : `cannot be asked: ${message}`}`,
      );
      return { refusal: 'unavailable' };
    }
  }

  /** If the application closes a kept connection at the moment of the request, the request is made again, once. */
  async #request(headers: OutgoingHttpHeaders, signal: AbortSignal, isAgain = false): Promise<Answer> {
    const { request } = this.#url.protocol === 'https:' ? https : http;
    const asked = request(this.#url, { agent: this.#agent, headers, signal });
    try {
      return await new Promise<Answer>((resolve, reject) => {
        asked.once('error', reject).once('response', (response) => this.#read(response).then(resolve, reject));
        asked.end();
      });
    } catch (error) {
      const isStale = asked.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      if (!isStale || isAgain) throw error;
      return this.#request(headers, signal, true);
    }
  }

  async #read(response: IncomingMessage): Promise<Answer> {
    const { statusCode: status = 0, headers } = response;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_ANSWER) throw new Error(`the answer is larger than ${MAX_ANSWER} bytes`);
      chunks.push(chunk);
    }
    const said = headers[this.#options.headerUser.toLowerCase()];
    const user = Array.isArray(said) ? said.join(', ') : said;
    const isJson = /^application\/(?:[\w.+-]+\+)?json\b/i.test(headers['content-type'] ?? '');
    return { status, user: user || undefined, isJson, body: Buffer.concat(chunks).toString() };
  }

  #identityOf({ status, user, isJson, body }: Answer): Identity {
    if (status === 401 || status === 403) return { refusal: 'refused' };
    if (status < 200 || status > 299) throw new Error(`it answered ${status}: expected 200, 204, 401 or 403`);
    const said = isJson ? parse(body) : {};
    if (said === undefined) throw new Error('its answer is no JSON object, although Content-Type says so');
    const named = user ?? said.user;
    if (named === undefined || named === null) return NOBODY;
    const expires = said.expires === undefined || said.expires === null ? undefined : toMilliseconds(said.expires);
    if (Number.isNaN(expires))
      throw new Error('expires in its answer is no time: expected seconds since 1970, or a date of ISO 8601');
    return identityOf(
      { user: named, expires, channels: said.channels },
      'the user in the answer of the application',
      this.#tell,
    );
  }
}

function hashOf({ cookie, authorization, origin }: Shown): string {
  return createHash('sha256')
    .update(JSON.stringify([cookie, authorization, origin]))
    .digest('base64');
}

function parse(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * From seconds since 1970, as in tokens, or from a date such as 2026-12-24T18:00:00Z. A number that would be a time after the year 5000
 * is taken as milliseconds, which is what JavaScript counts in. @returns NaN if it is neither
 */
function toMilliseconds(time: unknown): number {
  if (typeof time === 'number') return time < 1e11 ? time * 1000 : time;
  return typeof time === 'string' ? Date.parse(time) : Number.NaN;
}
