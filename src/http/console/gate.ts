import type { Context, Next } from 'koa';
import type { Authenticator } from '../../auth/authenticator.ts';
import { NOBODY } from '../../auth/authenticator.ts';
import { cookieOf } from '../../auth/credential.ts';
import type { HttpRequest } from '../../auth/http-request.ts';
import { TrustedProxies } from '../../auth/trusted-proxies.ts';
import type { Config } from '../../config/config.ts';
import { SisyphusError } from '../../errors.ts';
import { isLoopback } from '../../exposure.ts';
import type { Limits } from '../../limits/limits.ts';
import { isChannel, isUser } from '../../message/names.ts';
import type { BoundedLog } from '../bounded-log.ts';
import { jsonObjectOf } from '../json-body.ts';
import { isFromElsewhere } from '../middleware/same-site.ts';
import { readBody } from '../read-body.ts';
import { errorOf } from '../refusal-error.ts';
import { streamRequestOf } from '../stream-request.ts';
import { LoginPace } from './login-pace.ts';
import { ConsolePass, LASTING } from './pass.ts';

const COOKIE = 'sisyphus_console';
/** The largest body of a log-in (bytes). */
const MAX_BODY = 4096;
const EXAMPLE = '{"secret":"…"}';
/** Headers by which proxies say that they pass something on, or for whom. */
const FORWARDED = /^(?:forwarded|via|x-real-ip|x-forwarded-.*)$/;

export interface ConsoleGateOptions {
  config: Pick<Config, 'console' | 'consoleSecret' | 'trustedProxies'>;
  limits: Limits;
  log: BoundedLog;
  isDraining: () => boolean;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/**
 * Decides who may use the console: with a secret, who has logged in; without one (`serve --demo`), a browser on this machine. Everything
 * under `/console` but its page and files, which hold no data, is behind it.
 */
export class ConsoleGate {
  readonly #options: ConsoleGateOptions;
  readonly #pass: ConsolePass | undefined;
  readonly #proxies: TrustedProxies;
  readonly #pace: LoginPace;

  constructor(options: ConsoleGateOptions) {
    const { consoleSecret, trustedProxies } = options.config;
    this.#options = options;
    this.#pass = consoleSecret === undefined ? undefined : new ConsolePass(consoleSecret, options.now);
    this.#proxies = new TrustedProxies(trustedProxies);
    this.#pace = new LoginPace(this.#proxies, options.limits);
  }

  get isOn(): boolean {
    return this.#options.config.console !== 'off';
  }

  /** The console's own right to open streams: as any user, without the credential that the normal way asks for. */
  get authenticator(): Authenticator {
    return {
      parameters: ['user'],
      asks: false,
      authenticate: async (request) => {
        const [user, ...more] = request.query.getAll('user').filter((text) => text !== '');
        if (user === undefined) return NOBODY;
        if (more.length > 0 || !isUser(user)) return { refusal: 'malformed' };
        // If rights come with the credential, the console's own one has the channels that it names.
        return { user, channels: request.query.getAll('c').filter(isChannel), expires: this.#endOf(request) };
      },
    };
  }

  /** Lets a request through, with `ctx.state.end`, when its log-in ends (ms since 1970), if it has one. Or throws `unauthorized`, `not_local`, `cross_site` or `draining`. */
  readonly enter = async (ctx: Context, next: Next): Promise<void> => {
    if (isFromElsewhere(ctx.req.headers)) {
      throw new SisyphusError(
        'cross_site',
        'a page of another site has sent this request: expected the console itself',
      );
    }
    const request = streamRequestOf(ctx.req);
    const end = this.#endOf(request);
    if (!this.#pass) requireLocal(ctx, request);
    else if (end === undefined) {
      throw new SisyphusError(
        'unauthorized',
        'nobody has logged in, or the log-in has ended: expected one at /console',
      );
    }
    if (ctx.method !== 'GET' && this.#options.isDraining()) {
      throw errorOf({ refusal: 'draining' });
    }
    ctx.state.secret = { name: 'console', allows: () => true };
    ctx.state.end = end;
    await next();
  };

  /** POST /console/login */
  readonly login = async (ctx: Context): Promise<void> => {
    const { log } = this.#options;
    const request = streamRequestOf(ctx.req);
    const body = await readBody(ctx.req, MAX_BODY, MAX_BODY);
    const secret = jsonObjectOf(ctx.get('Content-Type'), body, ['secret'], EXAMPLE).get('secret');
    const wait = this.#pass ? await this.#pace.take(request) : 0;
    if (wait > 0) {
      const seconds = Math.ceil(wait / 1000);
      ctx.set('Retry-After', String(seconds));
      // The page shows this sentence to a person, who does not see the header.
      throw new SisyphusError('too_many_requests', `too many log-ins: expected the next one after ${seconds} s`);
    }
    if (!this.#pass || typeof secret !== 'string' || !this.#pass.isSecret(secret)) {
      log.warn({ event: 'console_refused' });
      throw new SisyphusError('unauthorized', 'this is not the secret: expected that of SISYPHUS_CONSOLE_SECRET');
    }
    log.info({ event: 'console_login' });
    this.#setCookie(ctx, this.#pass.make(), LASTING / 1000);
    ctx.status = 204;
  };

  /** POST /console/logout */
  readonly logout = (ctx: Context): void => {
    this.#setCookie(ctx, '', 0);
    ctx.status = 204;
  };

  #endOf(request: HttpRequest): number | undefined {
    const pass = cookieOf(request, COOKIE);
    return pass === undefined ? undefined : this.#pass?.endOf(pass);
  }

  /** Without `Path` the cookie is for what is below `/console`, also if a proxy has the gateway below another path (RFC 6265, 5.1.4). */
  #setCookie(ctx: Context, value: string, age: number): void {
    const secure = this.#isSecure(ctx) ? '; Secure' : '';
    ctx.set('Set-Cookie', `${COOKIE}=${value}; Max-Age=${age}; HttpOnly; SameSite=Strict${secure}`);
  }

  /** Whether the page came by TLS: a trusted proxy says so, or the browser, whose `Origin` no page can change. */
  #isSecure(ctx: Context): boolean {
    if (/^https:/i.test(ctx.get('Origin'))) return true;
    return (
      /^https$/i.test(ctx.get('X-Forwarded-Proto')) && this.#proxies.trusts(streamRequestOf(ctx.req).remoteAddress)
    );
  }
}

/**
 * Without a secret the console is for a browser on this machine that has asked this machine by its own name. A page of another site whose
 * name leads here (DNS rebinding) asks by that name, and what a proxy passes on comes from elsewhere.
 */
function requireLocal(ctx: Context, { remoteAddress = '' }: HttpRequest): void {
  const isPassedOn = Object.keys(ctx.req.headers).some((name) => FORWARDED.test(name));
  if (isLoopback(remoteAddress) && isLocalName(ctx.get('Host')) && !isPassedOn) return;
  throw new SisyphusError(
    'not_local',
    'without a secret the console is for this machine alone: expected http://localhost, or SISYPHUS_CONSOLE_SECRET',
  );
}

function isLocalName(host: string): boolean {
  const url = `http://${host}`;
  if (!URL.canParse(url)) return false;
  const name = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
  // Browsers ask no server for `localhost` and what is below it (RFC 6761, 6.3).
  return name === 'localhost' || name.endsWith('.localhost') || isLoopback(name);
}
