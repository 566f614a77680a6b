import { connect } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { PUBLISH_SECRET, postPublish } from '../support/publisher.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const MESSAGE = '{"channel":"room:1","data":"x"}';
const CHANGE = '{"user":7,"channel":"room:7"}';

describe('the bodies of /publish, /grant and /revoke', () => {
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_MAX_MESSAGE: '64KB' });
  });

  after(() => world?.stop());

  const bodyOf = (path: string): string => (path === '/publish' ? MESSAGE : CHANGE);

  for (const path of ['/publish', '/grant', '/revoke']) {
    for (const [what, headers] of Object.entries({
      'gzip that is said': { 'Content-Encoding': 'gzip' },
      'gzip that is not said': {},
      'another coding': { 'Content-Encoding': 'br' },
      'two codings': { 'Content-Encoding': 'identity, gzip' },
    })) {
      it(`are refused by name on ${path} where they are compressed: ${what}`, async () => {
        const compress = what === 'another coding' ? brotliCompressSync : gzipSync;
        const response = await postPublish(world.gateway.url, compress(bodyOf(path)), { path, headers });
        const { error, message } = (await response.json()) as Record<string, string>;
        expect([response.status, error]).to.deep.equal([415, 'unsupported_type']);
        expect(message).to.match(/Content-Encoding: (gzip|br|identity, gzip)\b.*expected/);
      });
    }

    it(`are taken by ${path} with a coding that changes nothing`, async () => {
      const headers = { 'Content-Encoding': 'identity' };
      expect((await postPublish(world.gateway.url, bodyOf(path), { path, headers })).status).to.equal(200);
    });

    it(`are refused by ${path} with 413 where they are too large, said or not, while they are still being sent`, async () => {
      for (const framing of ['Content-Length: 100000000', 'Transfer-Encoding: chunked']) {
        const socket = connect(world.gateway.port, '127.0.0.1');
        let answer = '';
        let error: Error | undefined;
        socket.on('data', (bytes) => {
          answer += String(bytes);
        });
        socket.on('error', (thrown) => {
          error = thrown;
        });
        const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${PUBLISH_SECRET}\r\n${framing}`;
        socket.write(`${head}\r\nContent-Type: application/json\r\n\r\n`);
        const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
        for (let i = 0; i < 32; i++) socket.write(chunk);
        await eventually(() => error !== undefined || /\r\n\r\n\{.*\}/.test(answer));
        expect(error, framing).to.equal(undefined);
        expect(answer, framing)
          .to.match(/^HTTP\/1\.1 413 /)
          .and.match(/"error":"too_large"/);
        socket.destroy();
      }
    });
  }

  it('of /grant may hold a text of which JSON escapes each character, as those of /publish may', async () => {
    const data = '\\u0001'.repeat(60_000);
    for (const [path, body] of [
      ['/publish', `{"channel":"room:1","data":"${data}"}`],
      ['/grant', `{"user":"7","channel":"room:7","data":"${data}"}`],
    ] as const) {
      expect((await postPublish(world.gateway.url, body, { path })).status, path).to.equal(200);
    }
  });

  it('of /grant name a user by an integer, and the text of the change by its JSON', async () => {
    const stream = await world.openOk({ path: '/?user=12345678901234567890' });
    const body = '{"user":12345678901234567890,"channel":"room:8","data":{"n": 1.0}}';
    expect((await postPublish(world.gateway.url, body, { path: '/grant' })).status).to.equal(200);
    await stream.frame(({ data }) => data === '{"n": 1.0}');
    expect(await world.client.smembers('user:12345678901234567890:channels')).to.deep.equal(['room:8']);
  });

  it('that are refused leave the connection to the next request', async () => {
    const request = `POST /grant HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${PUBLISH_SECRET}\r\n`;
    const refused = `${request}Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello`;
    const socket = connect(world.gateway.port, '127.0.0.1');
    let answers = '';
    socket.on('data', (bytes) => {
      answers += String(bytes);
    });
    socket.write(`${refused}GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n`);
    await eventually(() => /HTTP\/1\.1 415 .*HTTP\/1\.1 200 /s.test(answers));
    socket.destroy();
  });
});
