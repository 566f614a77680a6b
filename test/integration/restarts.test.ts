import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Authority } from '../support/certificates.ts';
import { Child, freePort } from '../support/child.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type FrontProxy, type Program, startProxy } from '../support/proxies.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { ReturningReader } from '../support/returning-reader.ts';
import { eventually } from '../support/wait.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));
const READERS = 40;
/**
 * Connections of an nginx that has too few. A stream takes two, nginx itself takes two: so one is left for a client who comes, and none to
 * ask a gateway for that client.
 */
const ODD = 25;
/** Between two messages (ms). */
const PAUSE = 15;

type Edit = (text: string) => string;

const FILES: Record<Program, string> = { nginx: 'nginx.conf', haproxy: 'haproxy.cfg', caddy: 'Caddyfile' };
const PROGRAMS = Object.keys(FILES) as Program[];
/** Where the second gateway is named, in each file. */
const SECOND: Record<Program, RegExp> = {
  nginx: /^\s*server 127\.0\.0\.1:3002.*\n/m,
  haproxy: /^\s*server two .*\n/m,
  caddy: / 127\.0\.0\.1:3002/,
};

const fileOf = (program: Program): Promise<string> => readFile(join(DEPLOY, FILES[program]), 'utf8');

/** The file of `deploy/` as it is, but for ports, paths, TLS, and what `edit` changes. */
async function textOf(program: Program, port: number, gateways: number[], edit: Edit): Promise<string> {
  const text = await fileOf(program);
  const [one, two] = gateways;
  return edit(text)
    .replace('127.0.0.1:3001', `127.0.0.1:${one}`)
    .replace(SECOND[program], (line) => (two === undefined ? '' : line.replace('3002', String(two))))
    .replace('listen 443 ssl http2;', `listen 127.0.0.1:${port};`)
    .replace(/^\s*ssl_certificate.*\n/gm, '')
    .replace(/bind :443 .*/, `bind 127.0.0.1:${port}`)
    .replace('app.example.com {', `http://127.0.0.1:${port} {`)
    .replace('maxconn 40000', 'maxconn 2000')
    .replaceAll('/etc/haproxy/', DEPLOY);
}

function front(program: Program, gateways: number[], edit: Edit = (text) => text): Promise<FrontProxy> {
  return startProxy(program, (port) => textOf(program, port, gateways, edit));
}

/** Without the answer for a gateway that is gone. */
const withoutAway: Edit = (text) =>
  text.replace(/^\s*(?:error_page|errorfile) .*\n/gm, '').replace(/^\thandle_errors \{\n.*?^\t\}\n/ms, '');

/** Each line of a configuration that the restart of a gateway depends on, and the file without it. */
const WITHOUT: [program: Program, count: number, away: number, what: string, edit: Edit][] = [
  [
    'nginx',
    2,
    700,
    'as nginx takes gateways out by itself',
    (text) => withoutAway(text).replaceAll(' max_fails=0', ''),
  ],
  ['nginx', 1, 700, 'as nginx answers for a gateway that is gone', withoutAway],
  [
    'haproxy',
    2,
    // It tries for three seconds.
    4000,
    'as HAProxy tries the same gateway again',
    (text) => withoutAway(text).replace(/^\s*(?:option redispatch|default-server) .*\n/gm, ''),
  ],
  [
    'caddy',
    2,
    700,
    'as Caddy tries no other gateway',
    (text) => withoutAway(text).replace(/^\t*(?:lb_try|health|fail)_.*\n/gm, ''),
  ],
  ['caddy', 1, 2700, 'as Caddy answers for a gateway that is gone', withoutAway],
  ['haproxy', 1, 700, 'as HAProxy answers for a gateway that is gone', withoutAway],
];

describe('gateways that are restarted behind a proxy', function () {
  this.timeout(60_000);
  let redis: RedisServer;
  let gateways: Gateway[];
  let proxy: FrontProxy | undefined;
  let readers: ReturningReader[];

  beforeEach(async () => {
    redis = await startRedis();
    await redis.client().sadd('user:1:channels', 'room:1');
  });

  afterEach(async () => {
    for (const reader of readers) reader.close();
    await proxy?.stop();
    proxy = undefined;
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await redis.stop();
  });

  async function startOn(port: number): Promise<Gateway> {
    const own = { PORT: String(port), SISYPHUS_DRAIN: '500ms', SISYPHUS_DRAIN_DELAY: '0s' };
    const limits = { SISYPHUS_MAX_STREAMS_PER_USER: '1000', SISYPHUS_BACKLOG_LENGTH: '10000' };
    const gateway = await startGateway({ REDIS_URL: redis.url, ...own, ...limits });
    await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200, 10_000);
    return gateway;
  }

  /**
   * Restarts each gateway in turn while messages come, unless a reader has given up.
   *
   * @param away how long nobody listens in the place of a gateway, besides its start (ms)
   * @returns what was published
   */
  async function roll(program: Program, count: number, away: number, edit?: Edit): Promise<string[]> {
    const ports = await Promise.all(Array.from({ length: count }, freePort));
    gateways = await Promise.all(ports.map(startOn));
    const behind = await front(program, ports, edit);
    proxy = behind;
    readers = Array.from({ length: READERS }, () => new ReturningReader(behind.port, '/stream?user=1'));
    await eventually(() => readers.every(({ oks }) => oks > 0), 10_000);
    const published: string[] = [];
    const client = redis.client();
    const timer = setInterval(() => {
      published.push(`message ${published.length}`);
      void client.fcall('sisyphus_publish', 1, 'sisyphus:{0}', 'room:1', published.at(-1)!);
    }, PAUSE);
    try {
      for (const [i, port] of ports.entries()) {
        gateways[i]!.kill('SIGTERM');
        await gateways[i]!.exited;
        await pause(away);
        gateways[i] = await startOn(port);
        await pause(1500);
        if (readers.some(({ refusals }) => refusals.length > 0)) break;
      }
    } finally {
      clearInterval(timer);
    }
    return published;
  }

  for (const program of PROGRAMS) {
    for (const count of [2, 1]) {
      it(`lose nothing, and no reader: ${count} of them, deploy/${program}`, async () => {
        // Caddy waits for a gateway for 2 s before it says that none is left.
        const published = await roll(program, count, program === 'caddy' && count === 1 ? 2700 : 700);
        const living = () => readers.filter(({ refusals }) => refusals.length === 0);
        await eventually(() => living().every(({ messages }) => messages.at(-1) === published.at(-1)), 15_000);
        expect(readers.flatMap(({ refusals }) => refusals)).to.deep.equal([]);
        for (const { messages } of readers) expect(messages).to.deep.equal(published);
        // Everybody had to come back, and one who had nowhere to go was told when.
        expect(Math.min(...readers.map(({ returns }) => returns))).to.be.at.least(count === 1 ? 1 : 0);
        expect(readers.some(({ errors }) => errors > 0)).to.equal(count === 1);
      });
    }
  }

  for (const [program, count, away, what, edit] of WITHOUT) {
    it(`lose readers for good where the line is missing: ${what}`, async () => {
      await roll(program, count, away, edit);
      expect(readers.flatMap(({ refusals }) => refusals).length).to.be.above(0);
    });
  }

  const UNFIT: [what: string, edit: Edit, isSpared: boolean][] = [
    ['no reader for good', (text) => text, true],
    ['readers for good without the 500 in error_page', (text) => text.replace('error_page 500 ', 'error_page '), false],
  ];
  for (const [what, edit, isSpared] of UNFIT) {
    it(`lose ${what} behind an nginx that has too few connections`, async () => {
      const ports = [await freePort()];
      gateways = await Promise.all(ports.map(startOn));
      const behind = await startProxy('nginx', (port) => textOf('nginx', port, ports, edit), ODD);
      proxy = behind;
      readers = Array.from({ length: READERS }, () => new ReturningReader(behind.port, '/stream?user=1'));
      const refusals = (): number[] => readers.flatMap((reader) => reader.refusals);
      const isTurnedAway = (): boolean => readers.some(({ errors }) => errors > 0);
      await eventually(() => (isSpared ? isTurnedAway() : refusals().length > 0), 10_000);
      if (isSpared) expect(refusals()).to.deep.equal([]);
      else expect(refusals()).to.include(500);
    });
  }

  for (const program of PROGRAMS) {
    it(`is read by HTTP/2 and TLS through deploy/${program}, at once`, async () => {
      const authority = await Authority.create('a CA');
      try {
        const { cert, key } = await authority.issue('app.example.com', { names: 'DNS:app.example.com' });
        // HAProxy reads both from one file.
        if (program === 'haproxy') await appendFile(cert, await readFile(key));
        gateways = [await startOn(await freePort())];
        readers = [];
        const withTls = (text: string, port: number): string =>
          text
            .replace('listen 443', `listen 127.0.0.1:${port}`)
            .replace('bind :443', `bind 127.0.0.1:${port}`)
            .replace('app.example.com {', `https://app.example.com:${port} {\n\tbind 127.0.0.1\n\ttls ${cert} ${key}`)
            .replaceAll('/etc/ssl/app.example.com.pem', cert)
            .replaceAll('/etc/ssl/app.example.com.key', key)
            .replace('127.0.0.1:3001', `127.0.0.1:${gateways[0]!.port}`)
            .replace('maxconn 40000', 'maxconn 2000')
            .replaceAll('/etc/haproxy/', DEPLOY);
        const behind = await startProxy(program, async (port) => withTls(await fileOf(program), port));
        proxy = behind;
        const to = ['--resolve', `app.example.com:${behind.port}:127.0.0.1`, '--cacert', authority.cert];
        const address = `https://app.example.com:${behind.port}/stream?user=1`;
        const curl = new Child('curl', ['-sN', '-i', '--http2', ...to, address]);
        await eventually(() => curl.stdout.includes('<status>ok</status>'));
        expect(curl.stdout).to.match(/^HTTP\/2 200/);
        await redis.client().fcall('sisyphus_publish', 1, 'sisyphus:{0}', 'room:1', 'hello');
        await eventually(() => curl.stdout.includes('data: hello'), 1000);
        await curl.end();
      } finally {
        await authority.remove();
      }
    });
  }
});
