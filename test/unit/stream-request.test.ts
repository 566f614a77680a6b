import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import type { HttpRequest } from '../../src/auth/http-request.ts';
import { readStreamRequest, streamRequestOf } from '../../src/http/stream-request.ts';

const PEER = { remoteAddress: '192.0.2.7' };
const read = (text: string) => readStreamRequest(Buffer.from(text, 'latin1'), PEER);
const get = (target: string, ...lines: string[]) =>
  read([`GET ${target} HTTP/1.1`, 'Host: sisyphus.test', ...lines, '', ''].join('\r\n'))!;

const all = ({ method, path, query, rawHeaders }: HttpRequest) => ({ method, path, query: `${query}`, rawHeaders });

/** Node reads these, and answers them or refuses them. */
const LEFT_TO_NODE: Record<string, string> = {
  'another method': 'POST / HTTP/1.1\r\nHost: a\r\n\r\n',
  HEAD: 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n',
  'another path': 'GET /status HTTP/1.1\r\nHost: a\r\n\r\n',
  'a slash behind': 'GET /stream/ HTTP/1.1\r\nHost: a\r\n\r\n',
  'an absolute target': 'GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n',
  'a fragment': 'GET /?user=1#2 HTTP/1.1\r\nHost: a\r\n\r\n',
  'a blank in the target': 'GET /?user=1 2 HTTP/1.1\r\nHost: a\r\n\r\n',
  'a byte beyond ASCII in the target': 'GET /?user=\xe9 HTTP/1.1\r\nHost: a\r\n\r\n',
  'an older version': 'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
  'no host': 'GET / HTTP/1.1\r\nAccept: */*\r\n\r\n',
  'no headers': 'GET / HTTP/1.1\r\n\r\n',
  'two hosts': 'GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n',
  'two positions': 'GET / HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1\r\nLast-Event-ID: 2\r\n\r\n',
  'two origins': 'GET / HTTP/1.1\r\nHost: a\r\nOrigin: b\r\nOrigin: c\r\n\r\n',
  'a body with a length': 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n',
  'a body in chunks': 'GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
  'an upgrade': 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n',
  'an expectation': 'GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n',
  'a folded header': 'GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n',
  'a blank before the colon': 'GET / HTTP/1.1\r\nHost : a\r\n\r\n',
  'a header without a name': 'GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n',
  'a header without a colon': 'GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n',
  'a line feed alone': 'GET / HTTP/1.1\nHost: a\n\n',
  'a carriage return in a value': 'GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n',
  'a NUL in a value': 'GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n',
  'a byte beyond ASCII in a value': 'GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\r\n\r\n',
  'half a head': 'GET / HTTP/1.1\r\nHost: a\r\n',
  'something behind it': 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n',
  nothing: '',
};

describe('a request for a stream', () => {
  it('is read without Node where it is plain', () => {
    const rawHeaders = ['Host', 'sisyphus.test'];
    expect(all(get('/'))).to.eql({ method: 'GET', path: '/', query: '', rawHeaders });
    expect(all(get('/stream'))).to.eql({ method: 'GET', path: '/stream', query: '', rawHeaders });
    expect([...get('/?user=1&format=json').query]).to.eql([
      ['user', '1'],
      ['format', 'json'],
    ]);
    expect(get('/stream?user=a?[]!"').query.get('user')).to.equal('a?[]!"');
    expect(get('/').remoteAddress).to.equal(PEER.remoteAddress);
  });

  it('brings all its headers as they came, and finds them however they are written', () => {
    const request = get('/', 'LAST-EVENT-ID:\t 12 \t', 'Cookie: a=1', 'origin:https://a.test', 'cookie: b=2', 'X:');
    expect(request.rawHeaders.slice(2)).to.eql([
      ...['LAST-EVENT-ID', '12', 'Cookie', 'a=1', 'origin', 'https://a.test', 'cookie', 'b=2', 'X', ''],
    ]);
    expect(request.valuesOf('last-event-id')).to.eql(['12']);
    expect(request.valuesOf('cookie')).to.eql(['a=1', 'b=2']);
    expect(request.valuesOf('x')).to.eql(['']);
    expect(request.valuesOf('authorization')).to.eql([]);
    // A value is no name.
    expect(get('/', 'Vary: Cookie', 'Accept: x').valuesOf('cookie')).to.eql([]);
  });

  for (const [what, text] of Object.entries(LEFT_TO_NODE)) {
    it(`is left to Node with ${what}`, () => expect(read(text)).to.equal(undefined));
  }

  it('is told from others in no time, however long it is', () => {
    const from = performance.now();
    for (const filler of ['a: \r\n', 'a', ':', 'a:', '\r\n', ' ', '?']) {
      const long = filler.repeat(Math.ceil(65_536 / filler.length));
      for (const head of ['GET / HTTP/1.1\r\n', 'GET /?', '']) expect(read(`${head}${long}`)).to.equal(undefined);
    }
    expect(performance.now() - from).to.be.below(500);
  });

  it('is the same where Node reads it', async () => {
    let byNode: IncomingMessage | undefined;
    const server = createServer((request, response) => {
      byNode = request;
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const blank = fc.constantFrom('', ' ', '\t ');
    const value = fc.stringMatching(/^(?:[!-~](?:[ -~]*[!-~])?)?$/);
    const name = fc.constantFrom(
      'Cookie',
      'cookie',
      'X-Sisyphus-User',
      'Authorization',
      'Forwarded',
      'Via',
      '__proto__',
    );
    const line = fc
      .tuple(name, blank, value, blank)
      .map(([name, before, text, after]) => `${name}:${before}${text}${after}`);
    const target = fc.stringMatching(/^\/(?:stream)?(?:\?[!"$-~]{0,40})?$/);
    try {
      await fc.assert(
        fc.asyncProperty(target, fc.array(line, { maxLength: 9 }), async (target, lines) => {
          const text = [`GET ${target} HTTP/1.1`, 'Host: a', ...lines, '', ''].join('\r\n');
          client.write(text, 'latin1');
          await once(client, 'data');
          expect(all(read(text)!)).to.eql(all(streamRequestOf(byNode!)));
          expect(streamRequestOf(byNode!).remoteAddress).to.equal('127.0.0.1');
          expect(byNode!.socket, 'it would keep 200 bytes of an idle stream').not.to.have.property('_peername');
        }),
      );
    } finally {
      client.destroy();
      server.close();
    }
  });

  it('has its path and its query also behind the name of a server, and before a fragment', () => {
    const of = (url: string) =>
      all(streamRequestOf({ method: 'GET', url, rawHeaders: [] } as unknown as IncomingMessage));
    for (const url of ['http://a/stream?user=1', 'HTTPS://a:1/stream?user=1', '/stream?user=1#x?user=2']) {
      expect(of(url), url).to.deep.include({ path: '/stream', query: 'user=1' });
    }
    expect(of('http://a?user=1')).to.deep.include({ path: '/', query: 'user=1' });
    expect(of('http://a')).to.deep.include({ path: '/', query: '' });
  });
});
