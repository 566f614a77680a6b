import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { Identity } from '../../src/auth/authenticator.ts';
import { ForwardMode, type ForwardOptions } from '../../src/auth/forward.ts';
import { HttpRequest } from '../../src/auth/http-request.ts';
import { Application } from '../support/application.ts';

const COOKIE = ['Cookie', 'session=1'];

describe('the application that is asked who a client is', () => {
  let application: Application;
  let url: string;
  let said: string[];

  beforeEach(async () => {
    application = new Application();
    url = await application.start();
    said = [];
  });

  afterEach(() => application.stop());

  function mode(options: Partial<ForwardOptions> = {}): ForwardMode {
    const usual = { forwardUrl: url, forwardTimeout: 1000, forwardCache: 10_000, headerUser: 'X-Sisyphus-User' };
    return new ForwardMode({ ...usual, cookie: undefined, ...options }, (text) => said.push(text));
  }

  function ask(forward: ForwardMode, headers: string[] = COOKIE, target = '/'): Promise<Identity> {
    return forward.authenticate(new HttpRequest('GET', target, headers, { remoteAddress: '192.0.2.7' }));
  }

  it('names the user in a header', async () => {
    application.says('auth0|65f');
    expect(await ask(mode())).to.deep.equal({ user: 'auth0|65f', expires: undefined });
  });

  it('says more in JSON: until when, as seconds, milliseconds or a date, and which channels', async () => {
    const at = Math.floor(Date.now() / 1000) + 60;
    for (const expires of [at, at * 1000, new Date(at * 1000).toISOString()]) {
      application.saysJson({ user: 7, expires, channels: ['room:1'] });
      expect(await ask(mode())).to.deep.equal({ user: '7', expires: at * 1000, channels: ['room:1'] });
    }
  });

  it('sees what the client has shown, where it comes from, and nothing else', async () => {
    application.says('7');
    const headers = ['Authorization', 'Bearer abc', 'Origin', 'https://a.example', 'X-Forwarded-For', '198.51.100.1'];
    await ask(mode(), [...COOKIE, ...headers, 'X-Sisyphus-User', '1', 'Host', 'evil.example', 'X-Other', 'x']);
    const [seen] = application.requests;
    expect(seen).to.include({
      cookie: 'session=1',
      authorization: 'Bearer abc',
      origin: 'https://a.example',
      'x-forwarded-for': '198.51.100.1, 192.0.2.7',
      host: new URL(url).host,
    });
    expect(seen).not.to.have.any.keys('x-sisyphus-user', 'x-other');
    await ask(mode(), [], '/?access_token=t0');
    expect(application.requests[1]).to.include({ authorization: 'Bearer t0' });
  });

  it('is not asked about a client that has shown nothing, and may itself say that a client is nobody', async () => {
    application.answer = (_request, response) => response.writeHead(204).end();
    const forward = mode();
    expect(await ask(forward, [])).to.deep.equal({ refusal: 'missing' });
    expect(application.requests).to.have.length(0);
    expect(await ask(forward)).to.deep.equal({ refusal: 'missing' });
    expect(application.requests).to.have.length(1);
    expect(await ask(forward, [], '/?access_token=a&access_token=b')).to.deep.equal({ refusal: 'malformed' });
  });

  it('refuses with 401 or 403; anything else is no answer, and the operator is told', async () => {
    for (const status of [401, 403]) {
      application.answer = (_request, response) => response.writeHead(status).end();
      expect(await ask(mode())).to.deep.equal({ refusal: 'refused' });
    }
    expect(said).to.deep.equal([]);
    for (const status of [302, 404, 418, 500, 503]) {
      application.answer = (_request, response) => response.writeHead(status, { 'X-Sisyphus-User': '7' }).end();
      expect(await ask(mode()), `${status}`).to.deep.equal({ refusal: 'unavailable' });
      expect(said.pop()).to.include(`it answered ${status}: expected 200, 204, 401 or 403`);
    }
    for (const body of ['[]', 'null', '{"user":', '7']) {
      application.answer = (_request, response) =>
        response.writeHead(200, { 'Content-Type': 'application/json' }).end(body);
      expect(await ask(mode()), body).to.deep.equal({ refusal: 'unavailable' });
    }
    application.saysJson({ user: '7', expires: 'soon' });
    expect(await ask(mode())).to.deep.equal({ refusal: 'unavailable' });
    application.saysJson({ user: '1:channels' });
    expect(await ask(mode())).to.deep.equal({ refusal: 'malformed' });
    application.stop();
    expect(await ask(mode())).to.deep.equal({ refusal: 'unavailable' });
    expect(said.pop()).to.include('cannot be asked: ');
  });

  it('has a limited time, also for the end of its answer', async () => {
    application.answer = () => undefined;
    const forward = mode({ forwardTimeout: 50 });
    expect(await ask(forward)).to.deep.equal({ refusal: 'unavailable' });
    expect(said.pop()).to.include('did not answer in time');
    application.answer = (_request, response) =>
      response.writeHead(200, { 'Content-Type': 'application/json' }).write('{"user":');
    expect(await ask(forward)).to.deep.equal({ refusal: 'unavailable' });
    application.answer = (_request, response) =>
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(`"${'x'.repeat(2_000_000)}"`);
    expect(await ask(mode())).to.deep.equal({ refusal: 'unavailable' });
    expect(said.pop()).to.include('larger than 1048576 bytes');
  });

  it('is asked once about clients that show the same, and again when the answer is old', async () => {
    application.says('7');
    const forward = mode({ forwardCache: 500 });
    await Promise.all([ask(forward), ask(forward), ask(forward)]);
    await ask(forward);
    expect(application.requests).to.have.length(1);
    await ask(forward, ['Cookie', 'session=2']);
    await ask(forward, [...COOKIE, 'Origin', 'https://b.example']);
    expect(application.requests).to.have.length(3);
    await wait(520);
    await ask(forward);
    expect(application.requests).to.have.length(4);
    const never = mode({ forwardCache: 0 });
    for (let i = 0; i < 3; i++) await ask(never);
    expect(application.requests).to.have.length(7);
  });

  it('is asked again about a client that it has refused, because the client may have logged in', async () => {
    const forward = mode();
    expect(await ask(forward)).to.deep.equal({ refusal: 'refused' });
    application.says('7');
    expect(await ask(forward)).to.include({ user: '7' });
  });

  it('is asked again when the credential has ended, or when the user was disconnected, even while it answers', async () => {
    const forward = mode();
    application.saysJson({ user: '7', expires: Date.now() + 80 });
    await ask(forward);
    await wait(100);
    application.says('7');
    await ask(forward);
    expect(application.requests).to.have.length(2);
    forward.forget('8');
    await ask(forward);
    expect(application.requests).to.have.length(2);
    forward.forget('7');
    await ask(forward);
    expect(application.requests).to.have.length(3);
    forward.forget('7');
    application.answer = (_request, response) => {
      forward.forget('7');
      response.writeHead(204, { 'X-Sisyphus-User': '7' }).end();
    };
    await ask(forward);
    await ask(forward);
    expect(application.requests).to.have.length(5);
  });

  it('sees only the cookie that is configured, so that others do not have it asked again', async () => {
    application.says('7');
    const forward = mode({ cookie: 'session' });
    await ask(forward, ['Cookie', 'session=1; ad=1']);
    await ask(forward, ['Cookie', 'ad=2; session=1']);
    expect(application.requests.map(({ cookie }) => cookie)).to.deep.equal(['session=1']);
    expect(await ask(forward, ['Cookie', 'ad=3'])).to.deep.equal({ refusal: 'missing' });
  });

  it('is asked over connections that are kept, and asked again if it has just closed one', async () => {
    application.says('7');
    const forward = mode({ forwardCache: 0 });
    for (let i = 0; i < 5; i++) await ask(forward);
    expect(application.connections).to.equal(1);
    // The connection is reset when the next request arrives on it.
    let isFirst = true;
    application.answer = (request, response) => {
      if (isFirst) request.socket.resetAndDestroy();
      else response.writeHead(204, { 'X-Sisyphus-User': '7' }).end();
      isFirst = false;
    };
    expect(await ask(forward)).to.include({ user: '7' });
  });

  it('gets a limited number of requests at a time', async () => {
    let most = 0;
    let open = 0;
    application.answer = (_request, response) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        response.writeHead(204, { 'X-Sisyphus-User': '7' }).end();
      }, 20);
    };
    const forward = mode({ forwardTimeout: 1400 });
    await Promise.all(Array.from({ length: 200 }, (_, i) => ask(forward, ['Cookie', `session=${i}`])));
    expect(most).to.equal(64);
  });
});
