import { expect } from 'chai';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { startWorld, type World } from '../support/world.ts';

const APP = 'https://app.example.com';
const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n';
const STREAM = 'GET /?user=1 HTTP/1.1\r\nHost: a\r\n\r\n';
const OLD_STREAM = 'GET /stream?user=1 HTTP/1.0\r\n\r\n';

function publish(data: string): string {
  const body = JSON.stringify({ channel: 'room:1', data });
  const head = `POST /publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${PUBLISH_SECRET}\r\n`;
  return `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

describe('a connection', () => {
  let world: World;
  let clients: RawSocket[];

  before(async () => {
    world = await startWorld({ SISYPHUS_ORIGINS: APP, SISYPHUS_NOOP_INTERVAL: '500ms' });
    await world.allow('1', 'room:1');
  });

  after(() => world?.stop());

  beforeEach(() => {
    clients = [];
  });

  afterEach(() => {
    for (const client of clients) client.close();
  });

  function send(text: string): RawSocket {
    const client = new RawSocket(world.gateway.port).send(text);
    clients.push(client);
    return client;
  }

  for (const [what, text, answers] of [
    ['a request', HEALTH + STREAM, 2],
    ['three requests', HEALTH + HEALTH + HEALTH + OLD_STREAM, 4],
    ['messages that are being published', publish('a') + publish('b') + STREAM, 3],
  ] as const) {
    it(`has its stream also where the request for it was sent behind ${what}, with all that is published then`, async () => {
      const client = send(text);
      await client.until(/<status>ok</);
      await world.publish.fcall('room:1', 'behind all');
      await client.until(/data: behind all\n/);
      expect(client.heads).to.deep.equal(Array(answers).fill('HTTP/1.1 200 OK'));
    });
  }

  for (const [what, text] of Object.entries({
    'HTTP/1.1': STREAM,
    'HTTP/1.0': OLD_STREAM,
    'one behind another': HEALTH + STREAM,
  })) {
    it(`with a stream publishes nothing that is sent behind the request for it, and answers nothing: ${what}`, async () => {
      const { revision } = await world.publish.fcall('room:1', 'before');
      const together = send(text + publish('never'));
      const later = send(text);
      for (const client of [together, later]) await client.until(/<status>ok</);
      later.send(publish('never'));
      later.send('no request\r\n\r\n');
      const end = await world.publish.fcall('room:1', 'the end');
      expect(end.revision).to.equal(revision! + 1);
      for (const client of [together, later]) {
        // Noops go on, and the messages of others.
        await client.until(/data: the end\n(.|\n)*data: noop\n/);
        expect(client.text).not.to.match(/never/);
        expect(client.heads.length).to.equal(text.split('HTTP/1').length - 1);
      }
    });
  }

  it('with a head for a stream that is too long gets its failure where the page may read it', async () => {
    const head = `GET /?user=1 HTTP/1.1\r\nHost: a\r\nCookie: ${'x'.repeat(70_000)}\r\nOrigin: ${APP}\r\n`;
    for (const before of ['', HEALTH]) {
      const client = send(`${before}${head}Last-Event-ID: 1795206467123456\r\n\r\n`);
      await client.until(/\n: headers_too_large\n\n$/);
      expect(client.text).to.match(/Access-Control-Allow-Origin: https:\/\/app\.example\.com\r\n/);
      expect(client.text).to.match(/Incremental: \?1\r\n/);
      expect(client.text).to.match(/id: 1795206467123456\ndata: <message><status>failure/);
    }
    const other = send(head.replace('/?user=1', '/status').concat('\r\n'));
    await other.until(/^HTTP\/1\.1 431 .*"error":"headers_too_large"/s);
  });

  it('loses no position behind 3,000 other headers', async () => {
    const { id } = await world.publish.fcall('room:1', 'what it has');
    await world.publish.fcall('room:1', 'what it missed');
    const headers = Array.from({ length: 3000 }, (_, i) => `X${i}: y\r\n`).join('');
    const client = send(`GET /?user=1 HTTP/1.0\r\n${headers}Last-Event-ID: ${id}\r\n\r\n`);
    await client.until(/data: what it missed\n/);
  });

  it('is refused with the reason, and with a line in the log, where what comes cannot be read', async () => {
    await send('hello\r\n\r\n').until(/^HTTP\/1\.1 400 .*"error":"bad_request".*expected HTTP\/1\.1/s);
    await world.gateway.waitForLog(
      ({ event, reason }) => event === 'request_unreadable' && /HTTP/.test(String(reason)),
    );
    await send('GET /?user=1 HTTP/1.1\r\n\r\n').until(/^HTTP\/1\.1 400 .*"error":"bad_request".*Host/s);
    await world.gateway.waitForLog(({ event, reason }) => event === 'request_refused' && /Host/.test(String(reason)));
  });

  it('is told how long it is kept', async () => {
    const client = await send(HEALTH).until(/"alive":true/);
    expect(client.text).to.match(/Keep-Alive: timeout=75\r\n/);
  });
});
