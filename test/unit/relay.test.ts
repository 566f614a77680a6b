import { expect } from 'chai';
import { type FakeServer, startFakeServer } from '../support/fake-sse-server.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type Link, type Relay, startRelay } from '../support/relay.ts';
import { eventually } from '../support/wait.ts';

describe('the relay of the tests', () => {
  let server: FakeServer;
  let relay: Relay;
  let stream: RawStream;
  let end: () => void;
  let send: (text: string) => void;
  let gone: boolean;

  async function through(onLink?: (link: Link) => void): Promise<void> {
    gone = false;
    server = await startFakeServer((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
      response.on('close', () => {
        gone = true;
      });
      send = (text) => response.write(text);
      end = () => response.end();
    });
    relay = await startRelay({ targetPort: server.port, ...(onLink && { onLink }) });
    stream = openStream({ port: relay.port });
  }

  function head(): Promise<unknown> {
    return stream.until((s) => s.head);
  }

  afterEach(async () => {
    stream.close();
    await relay.stop();
    await server.stop();
  });

  it('hands on bytes and ends', async () => {
    await through();
    await head();
    send('data: a\n\n');
    await stream.frame(({ data }) => data === 'a');
    end();
    await stream.ended();
  });

  it('cuts between any two bytes, and tells both sides', async () => {
    await through();
    await head();
    const body = `data: ${'x'.repeat(40)}\n\n`;
    const chunk = `${body.length.toString(16)}\r\n`;
    [...relay.links][0]!.down.cutAfter(chunk.length + 17);
    send(body);
    await stream.ended();
    expect(String(stream.bytes)).to.equal(body.slice(0, 17));
    await eventually(() => gone);
    await eventually(() => relay.links.size === 0);
  });

  it('holds bytes back and lets them go', async () => {
    await through();
    await head();
    const [link] = relay.links;
    link!.down.hold();
    send('data: a\n\n');
    expect(await stream.frame(() => true, 100).catch((error: Error) => error.message)).to.contain('not within');
    link!.down.pass();
    await stream.frame(({ data }) => data === 'a');
  });

  it('goes silent: neither side hears of the other, not even its end', async () => {
    await through();
    await head();
    [...relay.links][0]!.silence();
    send('data: a\n\n');
    end();
    expect(await stream.ended(150).catch((error: Error) => error.message)).to.contain('not within');
    expect(stream.frames).to.have.length(0);
    relay.cutAll();
    await stream.ended();
  });

  it('slows down', async () => {
    await through((link) => link.down.throttle(50, 5));
    await head();
    const began = performance.now();
    send(`data: ${'x'.repeat(1_000)}\n\n`);
    await stream.until(({ frames }) => frames[0]);
    expect(performance.now() - began).to.be.greaterThan(80);
  });

  it('loses nothing of much in little time', async () => {
    await through();
    await head();
    const sent = Array.from({ length: 300 }, (_, i) => `data: ${'y'.repeat(50_000)}\nid: ${i}\n\n`);
    for (const text of sent) send(text);
    await stream.frame(({ id }) => id === '299', 10_000);
    expect(String(stream.bytes) === sent.join('')).to.equal(true);
  });
});
