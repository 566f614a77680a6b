import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { freePort } from '../support/child.ts';
import { launchChromium, openPage } from '../support/chromium.ts';
import { ExpressLike } from '../support/express-like.ts';
import { ProtectPage, placed } from '../support/protect-pages.ts';
import { type FrontProxy, startNginx } from '../support/proxies.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const SECRET = 'k8Xv1oRZbQpU0cNe3mYtWgHs5fLd7iAj';
/** What the application answers itself. */
const OTHERS = 'location / { proxy_pass http://127.0.0.1:3000; }';
/** How long a token lives in the test (s): longer than the 3 s after which a browser comes back. */
const LIFE = 5;

declare global {
  interface Window {
    rendered: string[];
  }
}

describe('a browser with the cookie of a session, through nginx', function () {
  this.timeout(90_000);
  let browser: Browser;
  let application: ExpressLike;
  let world: World;
  let nginx: FrontProxy;
  let tab: Page;

  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser?.close());

  /** What a test has started; ended in reverse. */
  const stops: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  async function openTab(locations: string): Promise<void> {
    nginx = await startNginx(0, locations);
    stops.push(() => nginx.stop());
    const context = await browser.newContext();
    stops.push(() => context.close());
    tab = await openPage(context, `http://127.0.0.1:${nginx.port}`);
  }

  /** Everything as the page says, and a tab whose user has logged in. */
  async function follow(name: string, variables: Record<string, string>, example: string): Promise<void> {
    const page = new ProtectPage(name);
    application = new ExpressLike();
    await application.run(example, { SISYPHUS_JWT_SECRET: SECRET });
    await application.start();
    stops.push(() => application.stop());
    world = await startWorld(variables);
    stops.push(() => world.stop());
    await world.allow('7', 'room:918');
    const places = { application: application.port, gateway: world.gateway.port };
    await openTab(placed(`${page.block('nginx')}\n${OTHERS}`, places));
    await tab.evaluate(() => fetch('/login?user=7'));
  }

  /** The code of the page, which renders what it reads. */
  async function runInTab(page: Page, code: string): Promise<void> {
    await page.evaluate(`window.rendered = [];\nwindow.render = (data) => window.rendered.push(data);`);
    await page.evaluate(`(async () => {\n${code}\n})()`);
  }

  const rendered = (page: Page): Promise<string[]> => page.evaluate(() => window.rendered);

  it('reads its own messages by `header`, and does not give up after a log-out', async () => {
    const page = new ProtectPage('header');
    await follow('header', page.variables(), page.block('js', 'app.get'));
    const code = `${page.block('js', 'EventSource')}\nstream.onmessage = ({ data }) => render(data);`;
    await runInTab(tab, `${code}\nwindow.source = stream;`);
    await eventually(async () => (await rendered(tab)).some((data) => data.includes('ok')), 10_000);
    await world.publish.fcall('room:918', 'first');
    await eventually(async () => (await rendered(tab)).includes('first'));
    await tab.evaluate(() => fetch('/logout'));
    await tab.evaluate(() => window.source.close());
    await runInTab(tab, `${code}\nwindow.source = stream;`);
    await eventually(async () => (await rendered(tab)).at(-1)?.includes('failure'), 10_000);
    // It comes back in 30 to 60 s; a browser that had been answered 401 never would.
    expect(await tab.evaluate(() => window.source.readyState)).to.equal(0);
  });

  it('does not give up while no gateway answers', async () => {
    await openTab(placed(new ProtectPage('jwt').block('nginx'), { application: 0, gateway: await freePort() }));
    const readyState = await tab.evaluate(() => {
      return new Promise<number>((resolve) => {
        const source = new EventSource('/stream');
        source.onerror = () => resolve(source.readyState);
      });
    });
    expect(readyState).to.equal(0);
  });

  it('comes back with a fresh token by `jwt`, in a cookie or in the address, and misses nothing', async () => {
    const page = new ProtectPage('jwt');
    const variables = { ...page.variables('SISYPHUS_JWT_SECRET'), SISYPHUS_JWT_SECRET: SECRET };
    const example = page.block('js', 'app.get').replace('+ 3600', `+ ${LIFE}`);
    const route = `app.get('/token', (request, response) => {
      response.json({ token: sign({ sub: String(request.session.user), exp: Math.floor(Date.now() / 1000) + ${LIFE} }) });
    });`;
    await follow('jwt', variables, `${example}\n${route}`);
    const other = await openPage(tab.context(), `http://127.0.0.1:${nginx.port}`);
    const getToken = `const getToken = async () => (await (await fetch('/token')).json()).token;`;
    await runInTab(tab, page.block('js', "renew = () => fetch('/stream-token')"));
    await runInTab(other, `${getToken}\n${page.block('js', 'lastEventId')}`);
    const published: string[] = [];
    const publish = (): Promise<unknown> => world.publish.fcall('room:918', `message ${published.length}`);
    const messages = async (reader: Page) => (await rendered(reader)).filter((data) => data.startsWith('message'));
    const areReading = async (): Promise<boolean> => {
      await publish();
      return (await messages(tab)).length > 0 && (await messages(other)).length > 0;
    };
    await eventually(areReading, 10_000, 50);
    const end = Date.now() + 1.7 * LIFE * 1000;
    while (Date.now() < end) {
      published.push(`message ${published.length + 1}`);
      await publish();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const reader of [tab, other]) {
      await eventually(async () => (await messages(reader)).at(-1) === published.at(-1), 10_000);
      expect((await messages(reader)).filter((data) => data !== 'message 0')).to.deep.equal(published);
    }
    const { counters } = (await world.gateway.status()) as unknown as { counters: { closed: { expired: number } } };
    expect(counters.closed.expired, JSON.stringify(counters)).to.be.at.least(2);
  });
});
