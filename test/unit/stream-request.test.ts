import { expect } from 'chai';
import { readStreamRequest } from '../../src/http/stream-request.ts';

const read = (text: string) => readStreamRequest(Buffer.from(text, 'latin1'));
const get = (target: string, ...lines: string[]) =>
  read([`GET ${target} HTTP/1.1`, 'Host: sisyphus.test', ...lines, '', ''].join('\r\n'))!;

const NOTHING_BUT = { querystring: '', lastEventId: undefined, origin: undefined };

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
    expect(get('/')).to.eql(NOTHING_BUT);
    expect(get('/stream')).to.eql(NOTHING_BUT);
    expect(get('/?user=1&format=json').querystring).to.equal('user=1&format=json');
    expect(get('/stream?user=%FF?[]!"').querystring).to.equal('user=%FF?[]!"');
  });

  it('brings its position and its origin, however they are written', () => {
    expect(get('/', 'Accept: text/event-stream', 'LAST-EVENT-ID:\t 12 \t', 'origin:https://a.test')).to.eql({
      querystring: '',
      lastEventId: '12',
      origin: 'https://a.test',
    });
    expect(get('/', 'Last-Event-ID:').lastEventId).to.equal('');
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
});
