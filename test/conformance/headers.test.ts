import { expect } from 'chai';
import { exchange, type RawStream } from '../support/raw-stream.ts';
import { startWorld, type World } from '../support/world.ts';

const APP = 'https://app.example.com';
const LOCAL = 'http://localhost:8080';

const STRANGERS = [
  'null',
  'https://example.com',
  'http://app.example.com',
  'https://app.example.com:8443',
  'https://app.example.com.evil.test',
  'https://evil.test/https://app.example.com',
  'https://xapp.example.com',
  'https://app_example.com',
  'https://app.example.com/',
  'HTTPS://APP.EXAMPLE.COM',
  'http://localhost',
  'http://localhost:8081',
  '*',
  '',
  `${APP}, ${LOCAL}`,
];

describe('headers', () => {
  let world: World;
  let open: World;

  before(async () => {
    [world, open] = await Promise.all([startWorld({ SISYPHUS_ORIGINS: `${APP},${LOCAL}` }), startWorld()]);
  });

  after(() => Promise.all([world?.stop(), open?.stop()]));

  afterEach(() => {
    world.closeStreams();
    open.closeStreams();
  });

  async function get(path: string, headers: Record<string, string> = {}, at = world): Promise<RawStream> {
    const stream = at.open({ path, headers });
    await stream.until(({ head }) => head);
    return stream;
  }

  function request(method: string, path: string, headers: Record<string, string> = {}): Promise<RawStream> {
    return exchange({ port: world.gateway.port, method, path, headers });
  }

  for (const path of ['/?user=1', '/stream?user=1', '/?user=*']) {
    it(`of GET ${path} say that it is a stream, and that nobody may keep, change or hold it back`, async () => {
      const stream = await get(path);
      expect(stream.status).to.equal(200);
      expect(stream.header('content-type')).to.match(/^text\/event-stream(; ?charset=utf-8)?$/i);
      expect(stream.header('cache-control')).to.equal('no-cache, no-transform');
      expect(stream.header('x-accel-buffering')).to.equal('no');
      expect(stream.header('incremental')).to.equal('?1');
      expect(stream.header('content-length')).to.equal(undefined);
      expect(stream.header('content-encoding')).to.equal(undefined);
      expect(stream.header('x-powered-by')).to.equal(undefined);
    });

    it(`of HEAD ${path} are the same, with nothing behind them`, async () => {
      const answer = await request('HEAD', path);
      expect(answer.status).to.equal(200);
      expect(answer.header('content-type')).to.match(/^text\/event-stream/);
      expect(answer.header('cache-control')).to.equal('no-cache, no-transform');
      expect(answer.header('x-accel-buffering')).to.equal('no');
      expect(answer.header('incremental')).to.equal('?1');
      expect(answer.bytes).to.have.length(0);
    });
  }

  it('begin with the type: browsers that get half a head over plain HTTP give up for good where it is missing', async () => {
    for (const headers of [{}, { Origin: APP }]) {
      const stream = await get('/?user=1', headers);
      const [, first] = stream.head!.text.split('\r\n');
      expect(first).to.match(/^content-type: text\/event-stream/i);
    }
  });

  it('come at once, also over HTTP/1.0, where there are no chunks', async () => {
    const stream = world.open({ version: '1.0' });
    await stream.ok();
    expect(stream.frames[0]!.at - stream.sentAt).to.be.lessThan(1_000);
    expect(stream.header('transfer-encoding')).to.equal(undefined);
  });

  it('do not compress, whatever is accepted', async () => {
    const stream = await get('/?user=1', { 'Accept-Encoding': 'gzip, br' });
    await stream.ok();
    expect(stream.header('content-encoding')).to.equal(undefined);
  });

  for (const origin of [APP, LOCAL]) {
    it(`let ${origin} read, with credentials`, async () => {
      const stream = await get('/?user=1', { Origin: origin });
      expect(stream.header('access-control-allow-origin')).to.equal(origin);
      expect(stream.header('access-control-allow-credentials')).to.equal('true');
      expect(stream.header('vary')).to.match(/\borigin\b/i);
    });

    it(`let ${origin} ask first, and bring Last-Event-ID`, async () => {
      const answer = await request('OPTIONS', '/?user=1', {
        Origin: origin,
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'last-event-id',
      });
      expect(answer.status).to.be.oneOf([200, 204]);
      expect(answer.header('access-control-allow-origin')).to.equal(origin);
      expect(answer.header('access-control-allow-credentials')).to.equal('true');
      expect(answer.header('access-control-allow-headers')?.toLowerCase()).to.contain('last-event-id');
      expect(answer.header('access-control-allow-headers')).not.to.contain('*');
      expect(answer.header('access-control-allow-methods')).to.contain('GET');
      expect(answer.header('vary')).to.match(/\borigin\b/i);
    });
  }

  for (const origin of STRANGERS) {
    it(`let no other origin read: ${JSON.stringify(origin)}`, async () => {
      const stream = await get('/?user=1', { Origin: origin });
      expect(stream.status).to.equal(200);
      expect(stream.header('access-control-allow-origin')).to.equal(undefined);
      expect(stream.header('access-control-allow-credentials')).to.equal(undefined);
      const asked = await request('OPTIONS', '/', { Origin: origin, 'Access-Control-Request-Method': 'GET' });
      expect(asked.header('access-control-allow-origin')).to.equal(undefined);
      expect(asked.header('access-control-allow-credentials')).to.equal(undefined);
    });
  }

  it('let nobody from elsewhere read where no origin is allowed', async () => {
    for (const origin of [APP, 'null', 'http://localhost:3001']) {
      const stream = await get('/?user=1', { Origin: origin }, open);
      expect(stream.header('access-control-allow-origin')).to.equal(undefined);
      expect(stream.header('access-control-allow-credentials')).to.equal(undefined);
    }
  });

  it('vary with the origin also where there is none, so that no cache gives one page what is for another', async () => {
    for (const headers of [{}, { Origin: 'https://stranger.test' }]) {
      const stream = await get('/?user=1', headers);
      expect(stream.header('vary')).to.match(/\borigin\b/i);
    }
  });

  it('of failures let the allowed origins read too: a page has to learn why', async () => {
    const stream = await get('/?user=*', { Origin: APP });
    expect(stream.header('access-control-allow-origin')).to.equal(APP);
  });

  it('tell which methods there are', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await request(method, '/?user=1');
      expect(answer.status, method).to.equal(405);
      expect(answer.header('allow'), method).to.contain('GET');
      const { error, message } = JSON.parse(String(answer.bytes)) as Record<string, string>;
      expect(error, method).to.equal('method_not_allowed');
      expect(message).to.equal(`${method} is not answered at /: expected ${answer.header('allow')}`);
    }
  });

  it('of what is not there are JSON', async () => {
    const answer = await request('GET', '/nothing/here');
    expect(answer.status).to.equal(404);
    expect(answer.header('content-type')).to.match(/^application\/json/);
    expect(JSON.parse(String(answer.bytes))).to.have.property('error', 'not_found');
  });
});
