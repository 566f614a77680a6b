import { expect } from 'chai';
import { ExpressLike } from '../support/express-like.ts';
import { expectAway, ProtectPage, placed } from '../support/protect-pages.ts';
import { type FrontProxy, startNginx } from '../support/proxies.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const CACHE = 300;

describe('docs/guides/protect/forward.md, followed to the letter', function () {
  this.timeout(30_000);
  const page = new ProtectPage('forward');
  let application: ExpressLike;
  let world: World;
  let nginx: FrontProxy;

  before(async () => {
    application = new ExpressLike();
    for (const example of page.all('js').filter((text) => text.startsWith('app.'))) await application.run(example);
    await application.start();
    const places = { application: application.port, gateway: 0 };
    const variables = page.variables();
    variables.SISYPHUS_FORWARD_URL = placed(variables.SISYPHUS_FORWARD_URL!, places);
    world = await startWorld({ ...variables, SISYPHUS_FORWARD_CACHE: `${CACHE}ms`, SISYPHUS_FORWARD_TIMEOUT: '500ms' });
    nginx = await startNginx(0, placed(page.block('nginx'), { ...places, gateway: world.gateway.port }));
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

  async function expectRefused(stream: RawStream, status: string, reason: string): Promise<void> {
    const frame = await stream.frame(({ data }) => data === `<message><status>${status}</status></message>`);
    expect(stream.status).to.equal(200);
    expect(frame.comments).to.deep.equal([reason]);
  }

  it('lets in who is logged in, and after the log-out nobody', async () => {
    const Cookie = await application.logIn(7);
    const stream = await open({ Cookie: `theme=dark; ${Cookie}` }).ok();
    await world.publish.fcall('room:918', 'first');
    await stream.frame(({ data }) => data === 'first');
    expect(application.requests.at(-1)).to.include({ cookie: Cookie, 'x-forwarded-for': '127.0.0.1, 127.0.0.1' });
    await application.logOut(Cookie);
    await eventually(async () => {
      const frame = await open({ Cookie }).frame(({ data }) => data !== undefined);
      return frame.comments?.[0] === 'refused';
    }, 2000);
    await expectRefused(open({ Cookie }), 'failure', 'refused');
    // Who is in stays in: nobody was asked again.
    await world.publish.fcall('room:918', 'second');
    await stream.frame(({ data }) => data === 'second');
  });

  it('has a client come back in some seconds while the application restarts or is slow', async () => {
    const Cookie = await application.logIn(7);
    const stream = await open({ Cookie }).ok();
    await new Promise((resolve) => setTimeout(resolve, CACHE + 50));
    await application.stop();
    const away = open({ Cookie });
    await expectRefused(away, 'error', 'unavailable');
    expect(away.frames[0]!.retry).to.be.within(5000, 10_000);
    await world.publish.fcall('room:918', 'meanwhile');
    await stream.frame(({ data }) => data === 'meanwhile');
    await application.start();
    application.delay = 1000;
    await expectRefused(open({ Cookie }), 'error', 'unavailable');
    application.delay = 0;
    const back = await open({ Cookie, 'Last-Event-ID': away.frames[0]!.id! }).ok();
    await world.publish.fcall('room:918', 'again');
    await back.frame(({ data }) => data === 'again');
    await world.gateway.waitForLog(({ reason }) => /did not answer in time/.test(String(reason)));
  });

  it('believes no header with a user but that of the application', async () => {
    const asked = application.requests.length;
    await expectRefused(open({ 'X-Sisyphus-User': '7' }), 'failure', 'missing');
    await expectRefused(world.open({ path: '/stream', headers: { 'X-Sisyphus-User': '7' } }), 'failure', 'missing');
    await expectRefused(open({ Cookie: 'connect.sid=made-up', 'X-Sisyphus-User': '7' }), 'failure', 'refused');
    expect(application.requests.slice(asked).every((headers) => headers['x-sisyphus-user'] === undefined)).to.equal(
      true,
    );
  });

  it('has a browser come back while no gateway answers', () => expectAway(page.block('nginx'), application.port, {}));

  it('prints what the page shows', async () => {
    const COOKIE = await application.logIn(7);
    const places = { application: application.port, gateway: world.gateway.port, nginx: nginx.port };
    await page.expectShown(places, { COOKIE });
  });

  it('takes the channels from the application if it says so', async () => {
    const url = `http://127.0.0.1:${application.port}/sisyphus/channels`;
    const variables = { ...page.variables(), SISYPHUS_FORWARD_URL: url, SISYPHUS_RIGHTS: 'credential' };
    const other = await startWorld(variables);
    try {
      const stream = await other.openOk({ path: '/stream', headers: { Cookie: await application.logIn(7) } });
      await other.publish.fcall('room:918', 'of the credential');
      await stream.frame(({ data }) => data === 'of the credential');
    } finally {
      await other.stop();
    }
  });
});
