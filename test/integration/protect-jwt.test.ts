import { expect } from 'chai';
import { ExpressLike } from '../support/express-like.ts';
import { issuerKey, JwksServer, sign } from '../support/jwks-server.ts';
import { expectAway, ProtectPage, placed } from '../support/protect-pages.ts';
import { type FrontProxy, startNginx } from '../support/proxies.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const SECRET = 'k8Xv1oRZbQpU0cNe3mYtWgHs5fLd7iAj';
const page = new ProtectPage('jwt');

async function reasonOf(stream: RawStream): Promise<string | undefined> {
  const frame = await stream.frame(({ data }) => data !== undefined);
  return frame.data?.includes('failure') ? frame.comments?.[0] : undefined;
}

describe('docs/guides/protect/jwt.md, with tokens of the application', function () {
  this.timeout(30_000);
  let application: ExpressLike;
  let world: World;
  let nginx: FrontProxy;

  before(async () => {
    application = new ExpressLike();
    await application.run(page.block('js', 'app.get'), { SISYPHUS_JWT_SECRET: SECRET });
    await application.start();
    world = await startWorld({ ...page.variables('SISYPHUS_JWT_SECRET'), SISYPHUS_JWT_SECRET: SECRET });
    nginx = await startNginx(0, placed(page.block('nginx'), { application: 0, gateway: world.gateway.port }));
    await world.allow('7', 'room:918');
  });

  after(async () => {
    await nginx?.stop();
    await world?.stop();
    await application?.stop();
  });

  afterEach(() => world.closeStreams());

  /** @returns the cookie with the token, as a browser keeps it */
  async function ticketOf(user: number): Promise<string> {
    const Cookie = await application.logIn(user);
    const response = await fetch(`http://127.0.0.1:${application.port}/stream-token`, { headers: { Cookie } });
    expect(response.status).to.equal(204);
    const [ticket] = response.headers.getSetCookie();
    expect(ticket).to.match(/^sisyphus=[\w.-]+; Path=\/stream; HttpOnly$/);
    return ticket!.split(';')[0]!;
  }

  it('lets in who is logged in to the application, by its cookie, and nobody else', async () => {
    const Cookie = await ticketOf(7);
    const stream = await world.openOk({ port: nginx.port, path: '/stream', headers: { Cookie } });
    await world.publish.fcall('room:918', 'for user 7');
    await stream.frame(({ data }) => data === 'for user 7');
    const stranger = { 'X-Sisyphus-User': '7', Cookie: 'sisyphus=made.up.text' };
    expect(await reasonOf(world.open({ port: nginx.port, path: '/stream?user=7', headers: stranger }))).to.equal(
      'malformed',
    );
    expect((await fetch(`http://127.0.0.1:${application.port}/stream-token`)).status).to.equal(401);
  });

  it('has a browser come back while no gateway answers', () => expectAway(page.block('nginx'), application.port, {}));

  it('prints what the page shows', async () => {
    const TOKEN = (await ticketOf(7)).split('=')[1]!;
    await page.expectShown({ application: application.port, gateway: world.gateway.port }, { TOKEN });
  });
});

describe('docs/guides/protect/jwt.md, with an identity provider whose keys rotate', function () {
  this.timeout(30_000);
  const variables = page.variables('SISYPHUS_JWT_JWKS_URL');
  const claims = { iss: variables.SISYPHUS_JWT_ISSUER, aud: variables.SISYPHUS_JWT_AUDIENCE };
  let issuer: JwksServer;
  let world: World;

  before(async () => {
    issuer = new JwksServer();
    world = await startWorld({ ...variables, SISYPHUS_JWT_JWKS_URL: await issuer.start() });
  });

  after(async () => {
    await world?.stop();
    issuer?.stop();
  });

  afterEach(() => world.closeStreams());

  function open(token: string): RawStream {
    return world.open({ path: '/stream', headers: { Authorization: `Bearer ${token}` } });
  }

  it('takes tokens of the new key at once, of the old one while it is published, and of both while nothing answers', async () => {
    const [first, second, third] = [
      await issuerKey('2026-11'),
      await issuerKey('2026-12'),
      await issuerKey('x', 'RS256'),
    ];
    issuer.keys = [first];
    const old = await sign(first, claims);
    const stream = await open(old).ok();
    issuer.keys = [first, second];
    const fresh = await sign(second, { ...claims, sub: 'auth0|65f0c1' });
    // A name that is not known has the keys read again, at most every 2 s.
    await eventually(async () => (await reasonOf(open(fresh))) === undefined, 5000, 200);
    expect(await reasonOf(open(old))).to.equal(undefined);
    expect(await reasonOf(open(await sign(third, claims)))).to.equal('signature');
    issuer.isDown = true;
    for (const token of [old, fresh]) expect(await reasonOf(open(token))).to.equal(undefined);
    await world.publish.fcall('user:7', 'still there');
    await stream.frame(({ data }) => data === 'still there');
  });

  it('refuses tokens that the provider has signed for others', async () => {
    const [key] = issuer.keys;
    expect(await reasonOf(open(await sign(key!, { ...claims, aud: 'https://api.example.org' })))).to.equal('audience');
    expect(await reasonOf(open(await sign(key!, { ...claims, iss: 'https://example.eu.auth0.com' })))).to.equal(
      'audience',
    );
    expect(await reasonOf(open(await sign(key!, { ...claims, sub: 'a:b' })))).to.equal('malformed');
  });
});
