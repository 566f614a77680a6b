import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { SignJWT } from 'jose';
import { Application } from '../support/application.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const JWT_SECRET = randomBytes(32).toString('hex');
const HEADER_SECRET = randomBytes(32).toString('hex');

type Headers = Record<string, string>;

const signed = (exp: number): Promise<string> =>
  new SignJWT({ sub: '7', exp }).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(JWT_SECRET));

function http(method: string, target: string, headers: Headers = {}, body = ''): string {
  const all = { Host: 'a', ...headers, ...(body === '' ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

/** Requests with this credential in every place where one may be, rightly or wrongly. */
function requestsWith(token: string): string[] {
  const json = { 'Content-Type': 'application/json', Authorization: `Bearer ${PUBLISH_SECRET}` };
  const targets = [
    ...['/?access_token=', '/stream?access_token=', '/?a=b&access_token=', '/?', '/?x&', '/?token=', '/?format='],
    ...[
      '/?format=json?access_token=',
      '/?lastEventId=',
      '/?since=1&overlap=',
      '/?access_token=%0a',
      '/nothing?access_token=',
    ],
    ...[
      '/stream/',
      '/',
      '/stream&access_token=',
      '/stream%3Faccess_token=',
      'http://a/nothing?access_token=',
      '/status?access_token=',
    ],
    ...['http://[/?access_token=', '/?access_token[]=', '//', `/?access_token=${token}&access_token=`],
  ].map((target) => `${target}${token}`);
  return [
    ...targets.flatMap((target) => [
      http('GET', target),
      http('DELETE', target),
      http('OPTIONS', target, { Origin: 'null' }),
    ]),
    ...[
      { Authorization: `Bearer ${token}` },
      { Authorization: `Basic ${token}` },
      { Authorization: token },
      { Authorization: `Bearer ${token}, ${token}` },
      { Cookie: `session=${token}; ticket=${token}` },
      { Cookie: token },
      { 'X-Sisyphus-Secret': token, 'X-Sisyphus-User': '7' },
      { 'X-Sisyphus-Secret': HEADER_SECRET, 'X-Sisyphus-User': '7' },
      { 'Last-Event-ID': token },
      { Referer: `http://a/?access_token=${token}`, Origin: `https://${token}` },
    ].flatMap((headers) => [
      http('GET', '/', headers),
      http('POST', '/publish', headers, '{}'),
      http('GET', '/nothing', headers),
    ]),
    http('POST', `/publish?access_token=${token}`, json, `{"channel":"room:1","data":${token}}`),
    http('POST', '/grant', json, `{"user":"7","channel":"room:1","data":"${token}"`),
    http('POST', '/grant', json, `"${token}"`),
    http('POST', '/publish', { ...json, 'Content-Type': 'application/xml' }, `<messages>${token}</messages>`),
    http('POST', '/publish', { ...json, 'Idempotency-Key': token, Origin: 'null' }, '{}'),
    `GET /?access_token=${token} HTTP/1.1\r\nHost: a\r\nnonsense ${token}\r\n\r\n`,
    `GET /\xfc?access_token=${token} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `${token} ${token} ${token}\r\n\r\n`,
    http('CONNECT', `${token}:1`),
    http('GET', `/?access_token=${token}${'x'.repeat(70_000)}`),
    http('POST', `/publish?access_token=${token}${'x'.repeat(70_000)}`),
  ];
}

describe('a credential', function () {
  this.timeout(40_000);
  let redis: RedisServer;
  let application: Application;
  let gateway: Gateway;

  before(async () => {
    redis = await startRedis();
    application = new Application();
  });

  after(async () => {
    application.stop();
    await redis.stop();
  });

  afterEach(() => gateway?.stop());

  /** Sends a request and reads what comes within a moment. */
  async function answerTo(request: string): Promise<string> {
    const socket = new RawSocket(gateway.port).send(request);
    try {
      const isWhole = ({ text, ended, error }: RawSocket): boolean =>
        ended || error !== undefined || /^retry: |\r\n\r\n\{.*\}$|^HTTP\/1.1 20[04] [\s\S]*\r\n\r\n$/m.test(text);
      await eventually(() => isWhole(socket), 3_000);
      return socket.text;
    } finally {
      socket.close();
    }
  }

  const MODES: [string, () => Promise<Headers>][] = [
    ['open', async () => ({ HOST: '127.0.0.1' })],
    ['header', async () => ({ SISYPHUS_HEADER_SECRET: HEADER_SECRET })],
    ['forward', async () => ({ SISYPHUS_FORWARD_URL: await application.start() })],
    ['jwt', async () => ({ SISYPHUS_JWT_SECRET: JWT_SECRET, SISYPHUS_COOKIE: 'ticket' })],
  ];

  for (const [mode, settings] of MODES) {
    it(`is in no line of the log and in no answer, wherever a client has put it (${mode})`, async () => {
      const own = { SISYPHUS_AUTH: mode, SISYPHUS_LOG_LEVEL: 'trace', SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET };
      gateway = await startGateway({ REDIS_URL: redis.url, ...own, ...(await settings()) });
      let count = 0;
      application.answer = (_request, response) =>
        response.writeHead([204, 401, 500][count++ % 3]!, { 'X-Sisyphus-User': '7' }).end();
      const now = Math.floor(Date.now() / 1000);
      const random = randomBytes(32).toString('base64url');
      const tokens = [await signed(now + 600), random, ...(mode === 'jwt' ? [await signed(now - 600)] : [])];
      const answers: string[] = [];
      for (const token of tokens) {
        const requests = requestsWith(token);
        for (let i = 0; i < requests.length; i += 20) {
          answers.push(...(await Promise.all(requests.slice(i, i + 20).map(answerTo))));
        }
      }
      expect(answers.filter((text) => text.includes('200 OK')).length).to.be.above(20);
      expect(gateway.logs.filter(({ event }) => event === 'request_refused').length).to.be.above(20);
      for (const event of ['parameter_ignored', 'request_unreadable', 'request_refused'])
        await gateway.waitForLog((line) => line.event === event);
      const texts = { log: JSON.stringify(gateway.logs), answers: answers.join('\n') };
      for (const [where, text] of Object.entries(texts)) {
        for (const secret of [...tokens, PUBLISH_SECRET, JWT_SECRET, HEADER_SECRET]) {
          // No part of it that would be worth anything, from its beginning to its end.
          for (let at = 0; at + 12 <= secret.length; at++) {
            const part = secret.slice(at, at + 12);
            const found = text.indexOf(part);
            expect(found < 0 ? '' : text.slice(Math.max(0, found - 200), found + 60), where).to.equal('');
          }
        }
      }
    });
  }
});
