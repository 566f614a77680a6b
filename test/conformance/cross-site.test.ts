import { expect } from 'chai';
import { read } from '../support/documents.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { exchange, type RawStream } from '../support/raw-stream.ts';
import { startWorld, type World } from '../support/world.ts';

const APP = 'https://app.example.com';
const BODY = '{"user":"7","channel":"room:1","data":"x"}';
/** Read from the code, so that a route that is added is tried, too. A POST to a stream or a long poll only reads. */
const CHANGING = [...read('src/http/router.ts').matchAll(/router\.(post|put|patch|delete|del)\('([^']+)'/g)]
  .map(([, method, path]) => `${method!.replace(/^del$/, 'delete').toUpperCase()} ${path}`)
  .filter((route) => route !== 'POST /stream' && route !== 'POST /rt');
/** What a browser sends for a poll session: pages of allowed origins may. */
const FOR_PAGES = ['POST /sock.it/poll-start', 'POST /sock.it/:session/poll', 'POST /sock.it/:session/poll-msg'];

describe('pages of other sites', function () {
  this.timeout(15_000);
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_ORIGINS: APP });
  });

  after(() => world?.stop());

  type Headers = [string, string][];

  function send(route: string, headers: Headers = [], body: string | undefined = BODY): Promise<RawStream> {
    const [method, path] = route.split(' ') as [string, string];
    const own: Headers = [
      ['Authorization', `Bearer ${PUBLISH_SECRET}`],
      ['Content-Type', 'application/json'],
    ];
    return exchange({ port: world.gateway.port, method, path, headers: [...own, ...headers], body });
  }

  const own = (): string => `http://127.0.0.1:${world.gateway.port}`;

  const FOREIGN: [string, Headers][] = [
    ['a page of another site', [['Sec-Fetch-Site', 'cross-site']]],
    ['a page of the same site', [['Sec-Fetch-Site', 'same-site']]],
    ['a value that nobody knows yet', [['Sec-Fetch-Site', 'other']]],
    [
      'two values of Sec-Fetch-Site',
      [
        ['Sec-Fetch-Site', 'same-origin'],
        ['Sec-Fetch-Site', 'cross-site'],
      ],
    ],
    ['another origin', [['Origin', 'https://evil.test']]],
    ['an origin that may read', [['Origin', APP]]],
    ['no origin that can be named', [['Origin', 'null']]],
    ['an empty origin', [['Origin', '']]],
    ['another port', [['Origin', 'http://127.0.0.1:1']]],
    [
      'two origins',
      [
        ['Origin', 'http://127.0.0.1'],
        ['Origin', 'https://evil.test'],
      ],
    ],
    [
      'a cookie, too',
      [
        ['Cookie', `publish=${PUBLISH_SECRET}`],
        ['Origin', 'https://evil.test'],
      ],
    ],
  ];

  for (const [what, headers] of FOREIGN) {
    it(`change nothing, although they have the secret: ${what}`, async () => {
      const isAllowed = what === 'an origin that may read';
      const tried = CHANGING.filter((route) => !(isAllowed && FOR_PAGES.includes(route)));
      for (const route of ['POST /anything', 'DELETE /', ...tried]) {
        const answer = await send(route, headers);
        expect([answer.status, JSON.parse(String(answer.bytes)).error], route).to.deep.equal([403, 'cross_site']);
      }
      expect(await world.client.exists('user:7:channels')).to.equal(0);
    });
  }

  it('are told that a secret in a page is no secret', async () => {
    const { message } = JSON.parse(String((await send('POST /publish', [['Origin', 'null']])).bytes));
    expect(message).to.match(/expected it from a server, because a secret in a page is known to everybody/);
  });

  it('are no servers, and no pages of the gateway itself: those are let in', async () => {
    const accepted: Headers[] = [
      [],
      [['Sec-Fetch-Site', 'none']],
      [
        ['Sec-Fetch-Site', 'same-origin'],
        ['Origin', own()],
      ],
      [['Origin', own().replace('http:', 'https:')]],
    ];
    for (const headers of accepted) {
      const answer = await send('POST /publish', headers, '{"channel":"room:1","data":"x"}');
      expect(answer.status, JSON.stringify(headers)).to.equal(200);
    }
    expect(CHANGING).to.include.members(['POST /publish', 'POST /grant', 'POST /revoke', ...FOR_PAGES]);
  });

  it('may ask before they read, and never before they change anything', async () => {
    const ask = (path: string, method: string, more: Headers = []): Promise<RawStream> =>
      exchange({
        port: world.gateway.port,
        method: 'OPTIONS',
        path,
        headers: [['Origin', APP], ['Access-Control-Request-Method', method], ...more],
      });
    const reading = await ask('/?user=1', 'GET', [['Access-Control-Request-Headers', 'authorization,last-event-id']]);
    expect(reading.status).to.equal(204);
    expect(reading.header('access-control-allow-origin')).to.equal(APP);
    expect(reading.header('access-control-allow-headers')).to.match(/last-event-id.*authorization/i);
    expect(reading.header('access-control-allow-private-network')).to.equal(undefined);
    const nearby = await ask('/stream', 'GET', [['Access-Control-Request-Private-Network', 'true']]);
    expect(nearby.header('access-control-allow-private-network')).to.equal('true');
    const paths = CHANGING.map((route) => route.split(' ')[1]!);
    for (const path of [...paths, '/', '/stream', '/status', '/nothing']) {
      const methods = { '/': ['POST', 'DELETE', 'get'], '/stream': ['DELETE', 'get'] }[path];
      for (const method of methods ?? ['GET', 'POST', 'DELETE']) {
        const answer = await ask(path, method, [['Access-Control-Request-Private-Network', 'true']]);
        const allowed = [...answer.head!.headers.keys()].filter((name) => name.startsWith('access-control-'));
        expect(allowed, `${method} ${path}`).to.deep.equal([]);
        expect(answer.header('vary')).to.equal('Origin');
      }
    }
  });

  const POST = 'POST /publish HTTP/1.1\r\nHost: a\r\n';
  const ANSWERS: [string, number][] = [
    ['GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n', 200],
    ['GET /readyz HTTP/1.0\r\n\r\n', 200],
    ['GET /status HTTP/1.1\r\nHost: a\r\n\r\n', 200],
    ['HEAD /status HTTP/1.1\r\nHost: a\r\n\r\n', 200],
    ['GET /nothing?access_token=s3cret HTTP/1.1\r\nHost: a\r\n\r\n', 404],
    ['GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n', 404],
    ['GET http://[/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET http://a/nothing HTTP/1.1\r\nHost: a\r\n\r\n', 404],
    ['OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 404],
    ['OPTIONS /publish HTTP/1.1\r\nHost: a\r\n\r\n', 200],
    ['OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n', 204],
    ['DELETE /status HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    ['PROPFIND /status HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    [`${POST}Content-Length: 0\r\n\r\n`, 401],
    [`${POST}Origin: null\r\nContent-Length: 0\r\n\r\n`, 403],
    [`${POST}Content-Length: 9\r\nAuthorization: Bearer ${PUBLISH_SECRET}\r\n\r\n{"a":"b"}`, 415],
    ['GET /status HTTP/1.1\r\n\r\n', 400],
    [`GET /status?${'x'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431],
    ['GET /status HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n', 400],
    ['NONSENSE\r\n\r\n', 400],
    ['CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    [`${POST}Transfer-Encoding: chunked\r\nAuthorization: Bearer ${PUBLISH_SECRET}\r\n\r\nnonsense`, 400],
  ];

  for (const [request, status] of ANSWERS) {
    it(`can neither run, frame, keep nor guess at an answer: ${JSON.stringify(request.slice(0, 60))}`, async () => {
      const socket = new RawSocket(world.gateway.port).send(request);
      try {
        await socket.until(/\r\n\r\n/);
        const head = socket.text.slice(0, socket.text.indexOf('\r\n\r\n') + 2);
        expect(head).to.match(new RegExp(`^HTTP/1.1 ${status} `));
        for (const line of [
          "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
          'X-Content-Type-Options: nosniff',
          'Referrer-Policy: no-referrer',
          'Cache-Control: no-store',
        ]) {
          expect(head.split(`\r\n${line}\r\n`), line).to.have.length(2);
        }
        expect(socket.text).not.to.contain('s3cret');
      } finally {
        socket.close();
      }
    });
  }

  it('cannot read a stream by naming an origin that may read twice, or beside their own', async () => {
    for (const second of [APP, 'https://evil.test']) {
      const headers: Headers = [
        ['Origin', APP],
        ['Origin', second],
      ];
      const stream = world.open({ headers });
      await stream.until(({ head }) => head);
      expect(stream.header('access-control-allow-origin')).to.equal(undefined);
      expect(stream.header('vary')).to.equal('Origin');
    }
    world.closeStreams();
  });

  it('cannot take a stream for anything else', async () => {
    const stream = await world.openOk();
    expect(stream.header('x-content-type-options')).to.equal('nosniff');
    expect(stream.header('cache-control')).to.equal('no-cache, no-transform');
    expect(stream.header('content-security-policy')).to.equal(undefined);
    stream.close();
  });

  it('open a stream by POST if their origin is listed, since that only reads', async () => {
    const preflight = async (path: string): Promise<string | undefined> => {
      const headers: Headers = [
        ['Origin', APP],
        ['Access-Control-Request-Method', 'POST'],
      ];
      const answer = await exchange({ port: world.gateway.port, method: 'OPTIONS', path, headers });
      return answer.header('access-control-allow-origin');
    };
    expect(await preflight('/stream')).to.equal(APP);
    expect(await preflight('/')).to.equal(undefined);
    const headers: Headers = [
      ['Origin', APP],
      ['Sec-Fetch-Site', 'cross-site'],
    ];
    const answer = await send('POST /stream?poll', headers, '{"channels":["room:1"]}');
    expect([answer.status, answer.header('access-control-allow-origin')]).to.deep.equal([200, APP]);
  });
});
