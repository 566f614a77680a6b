import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { launchChromium, openPage } from '../support/chromium.ts';
import { ExpressLike } from '../support/express-like.ts';
import { ProtectPage, placed } from '../support/protect-pages.ts';
import { type FrontProxy, startNginx } from '../support/proxies.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const SECRET = 'k8Xv1oRZbQpU0cNe3mYtWgHs5fLd7iAj';
/** What the application answers itself. */
const OTHERS = 'location / { proxy_pass http://127.0.0.1:3000; }';
/** How long a token lives in the test (s). */
const LIFE = 3;

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

  afterEach(async () => {
    await tab?.close();
    await nginx?.stop();
    await world?.stop();
    await application?.stop();
  });

  /** Everything as the page says, and a tab whose user has logged in. */
  async function follow(name: string, variables: Record<string, string>, example: string): Promise<void> {
    const page = new ProtectPage(name);
    application = new ExpressLike();
    await application.run(example, { SISYPHUS_JWT_SECRET: SECRET });
    await application.start();
    world = await startWorld(variables);
    await world.allow('7', 'room:918');
    const places = { application: application.port, gateway: world.gateway.port };
    nginx = await startNginx(0, placed(`${page.block('nginx')}\n${OTHERS}`, places));
    const context = await browser.newContext();
    tab = await openPage(context, `http://127.0.0.1:${nginx.port}`);
    await tab.evaluate(() => fetch('/login?user=7'));
    await tab.evaluate(() => {
      window.rendered = [];
    });
  }

  /** The code of the page, which renders what it reads. */
  async function runInTab(code: string): Promise<void> {
    const all = `const render = (data) => window.rendered.push(data);\n${code}\nwindow.source = stream;`;
    await tab.evaluate(`(async () => {\n${all}\n})()`);
  }

  const rendered = (): Promise<string[]> => tab.evaluate(() => window.rendered);

  it('reads its own messages by `header`, and does not give up after a log-out', async () => {
    const page = new ProtectPage('header');
    await follow('header', page.variables(), page.block('js', 'app.get'));
    await runInTab(`${page.block('js', 'EventSource')}\nstream.onmessage = ({ data }) => render(data);`);
    await eventually(async () => (await rendered()).some((data) => data.includes('ok')), 10_000);
    await world.publish.fcall('room:918', 'first');
    await eventually(async () => (await rendered()).includes('first'));
    await tab.evaluate(() => fetch('/logout'));
    await tab.evaluate(() => {
      window.source.close();
      window.source = new EventSource('/stream');
      window.source.onmessage = ({ data }) => window.rendered.push(data);
    });
    await eventually(async () => (await rendered()).at(-1)!.includes('failure'), 10_000);
    // It comes back in 30 to 60 s; a browser that had been answered 401 never would.
    expect(await tab.evaluate(() => window.source.readyState)).to.equal(0);
  });

  it('comes back with a fresh cookie by `jwt`, as often as its token ends, and misses nothing', async () => {
    const page = new ProtectPage('jwt');
    const variables = { ...page.variables('SISYPHUS_JWT_SECRET'), SISYPHUS_JWT_SECRET: SECRET };
    await follow('jwt', variables, page.block('js', 'app.get').replace('+ 3600', `+ ${LIFE}`));
    await runInTab(page.block('js', 'new EventSource'));
    await eventually(async () => (await rendered()).some((data) => data.includes('ok')), 10_000);
    const published: string[] = [];
    const end = Date.now() + 2.5 * LIFE * 1000;
    while (Date.now() < end) {
      published.push(`message ${published.length}`);
      await world.publish.fcall('room:918', published.at(-1)!);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const messages = async (): Promise<string[]> => (await rendered()).filter((data) => data.startsWith('message'));
    await eventually(async () => (await messages()).at(-1) === published.at(-1), 10_000);
    expect(await messages()).to.deep.equal(published);
    expect((await rendered()).filter((data) => data.includes('ok')).length).to.be.at.least(2);
  });
});
