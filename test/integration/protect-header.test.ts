import { expect } from 'chai';
import { read } from '../support/documents.ts';
import { ExpressLike } from '../support/express-like.ts';
import { expectAway, ProtectPage, placed } from '../support/protect-pages.ts';
import { type FrontProxy, startNginx } from '../support/proxies.ts';
import { isOk, type RawStream } from '../support/raw-stream.ts';
import { startWorld, type World } from '../support/world.ts';

const FAILURE = '<message><status>failure</status></message>';

for (const name of ['header', 'nginx']) {
  const page = new ProtectPage(name);

  describe(`docs/guides/protect/${name}.md, followed to the letter`, function () {
    this.timeout(30_000);
    let application: ExpressLike;
    let world: World;
    let nginx: FrontProxy;
    const example = (name === 'header' ? page : new ProtectPage('forward'))
      .block('js', 'app.get')
      .replace('/sisyphus/whoami', '/whoami');

    before(async () => {
      application = new ExpressLike();
      await application.run(example);
      await application.start();
      world = await startWorld(page.variables());
      const places = { application: application.port, gateway: world.gateway.port };
      nginx = await startNginx(world.gateway.port, placed(page.block('nginx', 'location = /stream {'), places));
      await world.allow('7', 'room:918');
    });

    after(async () => {
      await nginx?.stop();
      await world?.stop();
      await application?.stop();
    });

    afterEach(() => world.closeStreams());

    function open(headers: Record<string, string>, path = '/stream'): RawStream {
      return world.open({ port: nginx.port, path, headers });
    }

    async function expectNobody(stream: RawStream, reason = 'missing'): Promise<void> {
      const frame = await stream.frame(({ data }) => data === FAILURE);
      expect(stream.status).to.equal(200);
      expect(frame.comments).to.deep.equal([reason]);
      expect(frame.retry).to.be.within(30_000, 60_000);
    }

    it('gives the user of the session a stream, with the query and the position of the browser', async () => {
      const Cookie = await application.logIn(7);
      const stream = await open({ Cookie }).ok();
      expect(stream.header('content-type')).to.match(/^text\/event-stream/);
      expect(stream.header('cache-control')).to.match(/no-cache, no-transform$/);
      await world.publish.fcall('room:918', 'first');
      await stream.frame(({ data }) => data === 'first');
      stream.close();
      await world.publish.fcall('room:918', 'missed');
      const position = { Cookie, 'Last-Event-ID': stream.lastEventId! };
      const back = await open(position, '/stream?format=json&user=8').ok();
      const missed = await back.frame(({ data }) => data?.includes('"missed"') === true);
      expect(JSON.parse(missed.data!)).to.include({ channel: 'room:918', data: 'missed' });
      expect(back.messages).to.have.length(1);
    });

    it('lets a client that is not logged in come back, whatever the application does', async () => {
      await expectNobody(open({}));
      await expectNobody(open({ Cookie: 'connect.sid=unknown' }));
      await application.stop();
      await expectNobody(open({ Cookie: 'connect.sid=unknown' }));
      await application.start();
      await open({ Cookie: await application.logIn(7) }).ok();
    });

    it('believes the application only if it answers that all is well', async () => {
      const Cookie = await application.logIn(7);
      for (const status of [302, 401, 403, 429, 500]) {
        const headers = `{ 'X-Sisyphus-User': '7', 'X-Accel-Redirect': '@sisyphus' }`;
        const handler = `(request, response) => response.status(${status}).set(${headers}).end()`;
        await application.run(['/stream', '/whoami'].map((path) => `app.get('${path}', ${handler});`).join('\n'));
        await expectNobody(open({ Cookie, 'X-Sisyphus-User': '7' }));
      }
      await application.run(example);
      await open({ Cookie }).ok();
    });

    it('takes a user from nobody else', async () => {
      const before = application.requests.length;
      await expectNobody(open({ 'X-Sisyphus-User': '7' }));
      await expectNobody(open({ X_Sisyphus_User: '7', 'x-sisyphus-user': '7' }));
      const Cookie = await application.logIn(8);
      const other = await open({ Cookie, 'X-Sisyphus-User': '7', 'X-Accel-Redirect': '@sisyphus' }).ok();
      await world.publish.fcall('room:918', 'for user 7 alone');
      await world.publish.fcall('user:8', 'for user 8');
      await other.frame(({ data }) => data === 'for user 8');
      expect(other.messages).to.have.length(1);
      for (const headers of application.requests.slice(before)) expect(headers).not.to.have.property('x-sisyphus-user');
    });

    it('has nothing else of the gateway, and no way around the application', async () => {
      for (const path of ['/status', '/publish', '/sisyphus/stream', '/whoami', '/@sisyphus', '/']) {
        expect((await fetch(`http://127.0.0.1:${nginx.port}${path}`)).status, path).to.be.oneOf([403, 404]);
      }
    });

    it('has a browser come back while no gateway answers', async () => {
      const headers = { Cookie: await application.logIn(7) };
      await expectAway(page.block('nginx', 'location = /stream {'), application.port, headers);
    });

    it('prints what the page shows', async () => {
      const COOKIE = await application.logIn(7);
      const places = { application: application.port, gateway: world.gateway.port, nginx: nginx.port };
      await page.expectShown(places, { COOKIE });
    });
  });
}

describe('the configurations of nginx', function () {
  this.timeout(30_000);
  const application = new ExpressLike();
  let world: World;

  before(async () => {
    await application.run(new ProtectPage('header').block('js', 'app.get'));
    await application.run(`app.get('/oauth2/auth', (request, response) => {
      const { user } = request.session;
      response.status(user ? 202 : 401).set({ 'X-Auth-Request-User': user ? \`auth0|\${user}\` : '' }).end();
    });`);
    await application.start();
    world = await startWorld(new ProtectPage('header').variables());
  });

  after(async () => {
    await world?.stop();
    await application.stop();
  });

  afterEach(() => world.closeStreams());

  /** What a client with these headers is told first. */
  async function firstFrame(locations: string, headers: Record<string, string>): Promise<RawStream> {
    const places = { application: application.port, gateway: world.gateway.port };
    const nginx = await startNginx(
      0,
      placed(locations, places).replace('127.0.0.1:4180', `127.0.0.1:${places.application}`),
    );
    try {
      const stream = world.open({ port: nginx.port, path: '/stream', headers });
      await stream.frame(({ data }) => data !== undefined);
      return stream;
    } finally {
      await nginx.stop();
    }
  }

  it('would let a stranger in without the line about the header', async () => {
    const locations = new ProtectPage('header').block('nginx');
    const line = '  proxy_set_header X-Sisyphus-User $sisyphus_user;\n';
    expect(locations.split(line)).to.have.length(2);
    const headers = { 'X-Sisyphus-User': '7' };
    expect((await firstFrame(locations.replace(line, ''), headers)).frames[0]).to.satisfy(isOk);
    expect((await firstFrame(locations, headers)).frames[0]!.data).to.equal(FAILURE);
  });

  it('ask oauth2-proxy instead of the application', async () => {
    const page = new ProtectPage('nginx');
    const [inStream, instead] = page.block('nginx', '/oauth2/auth').split('# instead of location = /whoami\n');
    const locations = page
      .block('nginx', 'location = /stream {')
      .replace(/ {2}auth_request \/whoami;\n {2}auth_request_set [^\n]+\n/, inStream!)
      .replace(/location = \/whoami \{[^}]+\}\n/, instead!);
    expect(locations).not.to.include('whoami');
    const stream = await firstFrame(locations, { Cookie: await application.logIn(7) });
    expect(stream.frames[0]).to.satisfy(isOk);
    expect((await firstFrame(locations, {})).frames[0]!.comments).to.deep.equal(['missing']);
  });
});

describe('a proxy that is not trusted', function () {
  this.timeout(30_000);

  it('is refused with its user, as any other client, and is believed with the secret', async () => {
    const page = new ProtectPage('header');
    const variables = { ...page.variables(), SISYPHUS_TRUSTED_PROXIES: '10.0.0.0/8', SISYPHUS_HEADER_SECRET: 's3cret' };
    const application = new ExpressLike();
    await application.run(page.block('js', 'app.get'));
    await application.start();
    const world = await startWorld(variables);
    const places = { application: application.port, gateway: world.gateway.port };
    const locations = placed(page.block('nginx'), places);
    const [, secret] = /`(proxy_set_header X-Sisyphus-Secret [^`]+)`/.exec(read(page.path))!;
    const nginxes: FrontProxy[] = [];
    try {
      nginxes.push(await startNginx(world.gateway.port, locations));
      nginxes.push(
        await startNginx(
          world.gateway.port,
          locations.replace(/\$sisyphus_user;\n(?=\s*error)/, `$&  ${secret!.replace('…', 's3cret')}\n`),
        ),
      );
      const Cookie = await application.logIn(7);
      const [without, having] = nginxes.map(({ port }) => world.open({ port, path: '/stream', headers: { Cookie } }));
      expect((await without!.frame(({ data }) => data === FAILURE)).comments).to.deep.equal(['untrusted']);
      await having!.ok();
      const past = world.open({ path: '/stream', headers: { 'X-Sisyphus-User': '7', 'X-Forwarded-For': '10.0.0.1' } });
      expect((await past.frame(({ data }) => data === FAILURE)).comments).to.deep.equal(['untrusted']);
    } finally {
      for (const nginx of nginxes) await nginx.stop();
      await world.stop();
      await application.stop();
    }
  });
});
