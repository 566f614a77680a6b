import { expect } from 'chai';
import { type FakeServer, startFakeServer } from '../support/fake-sse-server.ts';
import { exchange, openStream, type RawStream } from '../support/raw-stream.ts';
import { takeRefusals } from '../support/refusals.ts';

const OK = 'id: 17\ndata: <message><status>ok</status></message>\nretry: 3000\n\n';

describe('the raw stream reader of the tests', () => {
  let server: FakeServer;
  const streams: RawStream[] = [];

  async function serve(write: (send: (text: string | Buffer) => void, end: () => void) => void, status = 200) {
    server = await startFakeServer((_, response) => {
      response.writeHead(status, { 'Content-Type': 'text/event-stream' });
      write(
        (text) => response.write(text),
        () => response.end(),
      );
    });
    const stream = openStream({ port: server.port });
    streams.push(stream);
    return stream;
  }

  async function failure(promise: Promise<unknown>): Promise<string> {
    return promise.then(
      () => 'nothing was wrong',
      (error: Error) => error.message,
    );
  }

  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close();
    await server.stop();
  });

  it('reads frames whatever the pieces they come in', async () => {
    const body = Buffer.from(`${OK}event: named\ndata: ä\ndata:\ndata:  x\nid: 18\n\n`);
    const stream = await serve((send) => {
      for (const byte of body) send(Buffer.of(byte));
    });
    await stream.ok();
    const frame = await stream.frame(({ id }) => id === '18');
    expect(frame).to.include({ event: 'named', data: 'ä\n\n x', retry: undefined, end: body.length });
    expect(frame.fields).to.deep.equal(['event', 'data', 'data', 'data', 'id']);
    expect(stream.bytes.equals(body)).to.equal(true);
    expect(stream.messages).to.have.length(1);
  });

  it('hands on part of a frame, and says where it was cut', async () => {
    const stream = await serve((send) => send(`${OK}data: half of`));
    await stream.until(({ unfinished }) => unfinished.length === 13);
    expect(stream.lastEventId).to.equal('17');
    stream.cut();
    expect(await failure(stream.frame(({ id }) => id === '18'))).to.contain('the stream ended first');
  });

  for (const [what, bytes] of [
    ['a CR', Buffer.from('data: a\rb\n\n')],
    ['bytes that are no UTF-8', Buffer.from('data: \xff\n\n', 'latin1')],
    ['a comment', Buffer.from(': hello\n\n')],
    ['a comment in a message', Buffer.from('data: a\n: hello\nid: 1\n\n')],
    ['a comment before the fields of a status', Buffer.from(': hello\nid: 1\ndata: a\nretry: 1\n\n')],
    ['an unknown field', Buffer.from('data: a\nnot published by me\n\n')],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const stream = await serve((send) => send(bytes));
      expect(await failure(stream.frame(() => false))).to.match(/a CR on the wire|encoded data|no field/);
    });
  }

  it('tells what it saw when the deadline passes', async () => {
    const stream = await serve((send) => send(OK));
    const message = await failure(stream.frame(({ id }) => id === '99', 100));
    expect(message).to.contain('not within 100 ms').and.contain('id: 17');
  });

  it('reports an answer that would end an EventSource for good', async () => {
    const stream = await serve((_, end) => end(), 503);
    expect(await failure(stream.ok())).to.contain('503');
    expect(takeRefusals()).to.deep.equal(['GET /?user=1 was answered 503']);
  });

  it('reads whole answers, with a length and in chunks', async () => {
    server = await startFakeServer((request, response) => {
      const text = request.url === '/long' ? 'x'.repeat(300_000) : 'short';
      if (request.url !== '/long') response.setHeader('Content-Length', 5);
      response.end(text);
    });
    expect((await exchange({ port: server.port, path: '/long' })).bytes).to.have.length(300_000);
    expect(String((await exchange({ port: server.port, path: '/short' })).bytes)).to.equal('short');
    expect((await exchange({ port: server.port, path: '/short', method: 'HEAD' })).header('content-length')).to.equal(
      '5',
    );
  });
});
