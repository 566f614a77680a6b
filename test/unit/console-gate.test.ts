import { Readable } from 'node:stream';
import { expect } from 'chai';
import ipaddr from 'ipaddr.js';
import type { Context } from 'koa';
import { HttpRequest } from '../../src/auth/http-request.ts';
import type { SisyphusError } from '../../src/errors.ts';
import { BoundedLog, type Fields } from '../../src/http/bounded-log.ts';
import { ConsoleGate } from '../../src/http/console/gate.ts';
import { LoginPace } from '../../src/http/console/login-pace.ts';
import { ConsolePass, LASTING } from '../../src/http/console/pass.ts';
import { streamRequestOf } from '../../src/http/stream-request.ts';
import { LocalLimits } from '../../src/limits/local-limits.ts';

const SECRET = 'a-secret-of-the-console-alone';
const SIGNAL = new AbortController().signal;

interface Asked {
  headers?: Record<string, string>;
  address?: string;
  method?: string;
  body?: string;
}

/** A request as Koa shows it, and what was answered. */
function contextOf({ headers = {}, address = '127.0.0.1', method = 'GET', body = '' }: Asked): Context {
  const all: Record<string, string> = { host: 'localhost:3001', ...headers };
  const set: Record<string, string> = {};
  const req = Object.assign(Readable.from(body === '' ? [] : [Buffer.from(body)]), {
    method,
    url: '/console/session',
    headers: all,
    rawHeaders: Object.entries(all).flat(),
    socket: { remoteAddress: address },
  });
  const get = (name: string): string => all[name.toLowerCase()] ?? '';
  return {
    method,
    req,
    get,
    set: (name: string, value: string) => (set[name] = value),
    state: {},
    answered: set,
  } as never;
}

describe('the gate of the console', () => {
  let now: number;
  let lines: Fields[];

  beforeEach(() => {
    now = 1_795_000_000_000;
    lines = [];
  });

  function gateOf(
    consoleSecret: string | undefined,
    { proxies = [] as string[], isDraining = false } = {},
  ): ConsoleGate {
    const write = (fields: Fields): void => void lines.push(fields);
    return new ConsoleGate({
      config: {
        console: consoleSecret === undefined ? 'open' : 'secret',
        consoleSecret,
        trustedProxies: proxies.map((range) => ipaddr.parseCIDR(range)),
      },
      limits: new LocalLimits(),
      log: new BoundedLog({ info: write, warn: write } as never),
      isDraining: () => isDraining,
      now: () => now,
    });
  }

  /** `in`, or the code of the error. */
  async function enter(gate: ConsoleGate, asked: Asked): Promise<string> {
    let word = 'not in';
    try {
      await gate.enter(contextOf(asked), async () => {
        word = 'in';
      });
      return word;
    } catch (error) {
      return (error as SisyphusError).code;
    }
  }

  /** The header of the cookie, or the code of the error. */
  async function logIn(
    gate: ConsoleGate,
    secret: unknown,
    { headers = {}, address = '127.0.0.1' }: Asked = {},
  ): Promise<string> {
    const body = JSON.stringify({ secret });
    const ctx = contextOf({
      method: 'POST',
      body,
      address,
      headers: { 'content-type': 'application/json', ...headers },
    });
    try {
      await gate.login(ctx);
      return (ctx as never as { answered: Record<string, string> }).answered['Set-Cookie']!;
    } catch (error) {
      return (error as SisyphusError).code;
    }
  }

  const cookieOf = (header: string): string => header.split(';')[0]!;

  it('lets in who has logged in, and nobody else', async () => {
    const gate = gateOf(SECRET);
    expect(await enter(gate, {})).to.equal('unauthorized');
    const header = await logIn(gate, SECRET);
    expect(header).to.match(/^sisyphus_console=\d+\.[\w-]{43}; Max-Age=43200; HttpOnly; SameSite=Strict$/);
    expect(await enter(gate, { headers: { cookie: `a=b; ${cookieOf(header)}` } })).to.equal('in');
    for (const cookie of ['sisyphus_console=', `sisyphus_console=${SECRET}`, cookieOf(header).replace(/=(\d)/, '=9')]) {
      expect(await enter(gate, { headers: { cookie } }), cookie).to.equal('unauthorized');
    }
  });

  it('takes the secret alone, and writes a line for any other', async () => {
    const gate = gateOf(SECRET);
    for (const wrong of ['', `${SECRET} `, SECRET.slice(1), 7, null, undefined, [SECRET]]) {
      expect(await logIn(gate, wrong), String(wrong)).to.equal('unauthorized');
    }
    expect(lines).to.deep.equal(Array.from({ length: 7 }, () => ({ event: 'console_refused' })));
    await logIn(gate, SECRET);
    expect(lines.at(-1)).to.deep.equal({ event: 'console_login' });
    expect(JSON.stringify(lines)).not.to.include(SECRET);
  });

  it('looks at twenty log-ins of an address within a minute, right ones included', async () => {
    const gate = gateOf(SECRET);
    const wrong = Array.from({ length: 20 }, () => logIn(gate, 'wrong', { address: '192.0.2.1' }));
    expect(new Set(await Promise.all(wrong))).to.deep.equal(new Set(['unauthorized']));
    expect(await logIn(gate, SECRET, { address: '192.0.2.1' })).to.equal('too_many_requests');
    expect(await logIn(gate, SECRET, { address: '192.0.2.2' })).to.match(/^sisyphus_console=/);
  });

  it('lets others log in while one address tries without end', async () => {
    const pace = new LoginPace(
      { clientOf: ({ remoteAddress = '' }) => ipaddr.parse(remoteAddress) },
      new LocalLimits(),
    );
    const requestFrom = (address: string): HttpRequest => new HttpRequest('POST', '/', [], { remoteAddress: address });
    for (let i = 0; i < 20; i++) expect(await pace.take(requestFrom('192.0.2.1'))).to.equal(0);
    for (let i = 0; i < 4000; i++) expect(await pace.take(requestFrom('192.0.2.1'))).to.be.above(0);
    expect(await pace.take(requestFrom('192.0.2.2'))).to.equal(0);
  });

  it('says Secure to the browser if its page came by TLS', async () => {
    const gate = gateOf(SECRET, { proxies: ['10.0.0.0/8'] });
    const origin = { origin: 'https://push.example' };
    expect(await logIn(gate, SECRET, { headers: origin })).to.match(/; Secure$/);
    const forwarded = { 'x-forwarded-proto': 'https' };
    expect(await logIn(gate, SECRET, { headers: forwarded, address: '10.1.2.3' })).to.match(/; Secure$/);
    expect(await logIn(gate, SECRET, { headers: forwarded, address: '192.0.2.9' })).not.to.include('Secure');
  });

  it('looks at three thousand log-ins within a minute, whatever their addresses are', async () => {
    const gate = gateOf(SECRET);
    for (let i = 0; i < 3000; i++) await logIn(gate, 'wrong', { address: `192.0.${i >> 8}.${i & 255}` });
    expect(await logIn(gate, SECRET, { address: '198.51.100.1' })).to.equal('too_many_requests');
  });

  it('ends a log-in after twelve hours, and takes the one of another gateway with the same secret', async () => {
    const [one, other, stranger] = [gateOf(SECRET), gateOf(SECRET), gateOf(`${SECRET}-of-another`)];
    const cookie = cookieOf(await logIn(one, SECRET));
    expect(await enter(other, { headers: { cookie } })).to.equal('in');
    expect(await enter(stranger, { headers: { cookie } })).to.equal('unauthorized');
    now += LASTING - 1;
    const ctx = contextOf({ headers: { cookie } });
    await one.enter(ctx, async () => undefined);
    expect(ctx.state.end).to.equal(now + 1);
    now += 2;
    expect(await enter(one, { headers: { cookie } })).to.equal('unauthorized');
  });

  it('refuses what a page of another site has caused, reading too', async () => {
    const gate = gateOf(SECRET);
    const cookie = cookieOf(await logIn(gate, SECRET));
    for (const more of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'http://other.example' },
    ]) {
      expect(await enter(gate, { headers: { cookie, ...more } }), JSON.stringify(more)).to.equal('cross_site');
    }
    expect(await enter(gate, { headers: { cookie, 'sec-fetch-site': 'same-origin' } })).to.equal('in');
  });

  it('without a secret is for a browser on this machine that asks by a local name', async () => {
    const gate = gateOf(undefined);
    for (const host of ['localhost:3001', '127.0.0.1:3001', '[::1]:3001', 'app.localhost', 'LOCALHOST']) {
      expect(await enter(gate, { headers: { host } }), host).to.equal('in');
    }
    for (const host of [
      'evil.example:3001',
      'localhost.evil.example',
      '192.168.1.5:3001',
      '127.0.0.1.evil.example',
      '',
      'a b',
    ]) {
      expect(await enter(gate, { headers: { host } }), host).to.equal('not_local');
    }
    for (const address of ['192.168.1.7', '::ffff:10.0.0.1', '']) {
      expect(await enter(gate, { address }), address).to.equal('not_local');
    }
    expect(await enter(gate, { address: '::ffff:127.0.0.1' })).to.equal('in');
    for (const name of ['forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'via', 'x-real-ip']) {
      expect(await enter(gate, { headers: { [name]: 'x' } }), name).to.equal('not_local');
    }
    expect(await logIn(gate, '')).to.equal('unauthorized');
  });

  it('lets nothing change while the gateway drains', async () => {
    const gate = gateOf(undefined, { isDraining: true });
    expect(await enter(gate, { method: 'POST' })).to.equal('draining');
    expect(await enter(gate, {})).to.equal('in');
  });

  it('opens streams as any user until the log-in ends, and as nobody without one', async () => {
    const gate = gateOf(SECRET);
    const cookie = cookieOf(await logIn(gate, SECRET));
    const authenticate = (query: string) => {
      const ctx = contextOf({ headers: { cookie } });
      return gate.authenticator.authenticate(
        streamRequestOf(Object.assign(ctx.req, { url: `/console/stream?${query}` })),
        SIGNAL,
      );
    };
    const expires = now + LASTING;
    expect(await authenticate('user=7&c=room:1&c=,')).to.deep.equal({ user: '7', channels: ['room:1'], expires });
    expect(await authenticate('user=&c=room:1')).to.deep.equal({ refusal: 'missing' });
    expect(await authenticate('user=7&user=8')).to.deep.equal({ refusal: 'malformed' });
    expect(await authenticate('user=a:b')).to.deep.equal({ refusal: 'malformed' });
  });
});

describe('the pass of the console', () => {
  it('cannot be made longer, and not without the secret', () => {
    const pass = new ConsolePass(SECRET, () => 1000);
    const made = pass.make();
    expect(pass.endOf(made)).to.equal(1000 + LASTING);
    const [end, signature] = made.split('.');
    for (const forged of [
      `${Number(end) + 1}.${signature}`,
      `${end}.${'A'.repeat(43)}`,
      `${end}.`,
      `0${end}.${signature}`,
      '',
    ]) {
      expect(pass.endOf(forged), forged).to.equal(undefined);
    }
    expect(new ConsolePass('another-secret-altogether', () => 1000).endOf(made)).to.equal(undefined);
  });
});
