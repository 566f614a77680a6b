import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import { PageServer } from '../support/client/page-server.ts';
import { ReactApplication } from '../support/client/react-application.ts';
import { blocksOf, read } from '../support/documents.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const COLLECTIONS = JSON.stringify({
  drivers: { key: 'driver_name', public: true },
  secret: { key: 'login' },
});
const OF_A_USER = `<script type="module">
  import { Sisyphus } from '/client.js';
  import { collection } from '/client/collection.js';

  const stream = new Sisyphus('/stream', { user: '7', spread: 500 });
  const secret = collection(stream, 'secret', { address: '/live/secret?user=7' });
  const changes = [];
  secret.on('change', ({ created, updated, removed }) => {
    changes.push([created, updated, removed].map((records) => [...records.keys()].join()).join('|'));
    document.body.textContent = changes.join(' ');
  });
</script>`;

type Row = Record<string, unknown>;

describe('collections and React in Chromium', function () {
  this.timeout(60_000);
  let browser: Browser;
  let world: World;
  let server: PageServer;
  let origin: string;
  let page: Page;
  const problems: string[] = [];

  before(async () => {
    [world, browser] = await Promise.all([startWorld({ SISYPHUS_COLLECTIONS: COLLECTIONS }), launchChromium()]);
    server = new PageServer(world.gateway.url);
    origin = await server.listen();
  });
  after(async () => {
    await browser?.close();
    server?.close();
    await world?.stop();
  });
  beforeEach(async () => {
    problems.length = 0;
    server.passed.length = 0;
    await world.allow('7', 'collection:secret', 'collection:drivers', 'room:918', 'price:1');
    page = await browser.newPage();
    page.on('pageerror', ({ message }) => problems.push(message));
    page.on('console', (line) => {
      // A connection that breaks is written there by the browser.
      if (line.type() === 'error' && !/net::ERR|Failed to load resource/.test(line.text())) problems.push(line.text());
    });
  });
  afterEach(async () => {
    await page.close();
    expect(problems).to.deep.equal([]);
  });

  async function send(method: string, name: string, body: unknown): Promise<void> {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${PUBLISH_SECRET}` };
    const response = await fetch(`${world.gateway.url}/live/${name}`, { method, headers, body: JSON.stringify(body) });
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  }

  const driver = (name: string, lap: number): Row => ({ driver_name: name, lap });
  const update = (data: Row) => ({ type: 'update', data });
  const remove = (name: string) => ({ type: 'delete', data: { driver_name: name } });

  async function shows(selector: string, text: string | RegExp, deadlineMs = 8_000): Promise<void> {
    await eventually(async () => {
      const shown = await page.evaluate((selected) => document.querySelector(selected)?.textContent, selector);
      if (typeof text === 'string' ? shown === text : text.test(shown ?? '')) return true;
      throw new Error(`${selector} has ${JSON.stringify(shown)}\n${problems.join('\n')}`);
    }, deadlineMs);
  }

  const snapshots = (): number => server.passed.filter((path) => path.startsWith('/live/')).length;

  it('show a collection, as docs/guides/collections.md has it, and are right again after a cut and a flush', async () => {
    const [block, ...others] = blocksOf(read('docs/guides/collections.md')).filter(
      ({ language }) => language === 'html',
    );
    expect(others).to.deep.equal([]);
    server.pages['/collection'] = () => `<!doctype html><body>${block!.text}`;
    await send('PUT', 'drivers', [driver('Josh', 3), driver('Perry', 1)]);
    await page.goto(`${origin}/collection`);
    await shows('body', 'Josh 3, Perry 1');
    await send('PATCH', 'drivers', [update(driver('Sylvia', 1)), update(driver('Josh', 4)), remove('Perry')]);
    await shows('body', 'Josh 4, Sylvia 1');
    server.cut();
    await send('PATCH', 'drivers', [update(driver('Perry', 2))]);
    await shows('body', 'Josh 4, Sylvia 1, Perry 2');
    expect(snapshots()).to.equal(1);
    await world.client.flushall();
    await eventually(() => send('PUT', 'drivers', [driver('Perry', 5), driver('Josh', 6)]).then(() => true));
    await shows('body', 'Perry 5, Josh 6', 10_000);
    await send('PATCH', 'drivers', [update(driver('Josh', 7))]);
    await shows('body', 'Perry 5, Josh 7');
    expect(snapshots()).to.equal(2);
  });

  it("read a collection on a user's one stream, with what its address brings, and tell of each change", async () => {
    server.pages['/of-a-user'] = () => `<!doctype html><body>${OF_A_USER}`;
    await send('PUT', 'secret', [{ login: 'a' }, { login: 'b' }]);
    await page.goto(`${origin}/of-a-user`);
    await shows('body', 'a,b||');
    await send('PATCH', 'secret', [update({ login: 'c' }), update({ login: 'a', at: 1 })]);
    await send('PUT', 'secret', [{ login: 'c' }]);
    await shows('body', 'a,b|| c|a| ||a,b');
  });

  describe('with the application of docs/guides/react.md', () => {
    const database = `export const readComments = async () => [{ id: 1, text: 'rendered' }];`;
    const live = `import { createRoot } from 'react-dom/client';
      import { Board, Light, Price } from './live.tsx';
      createRoot(document.body).render(<><Price /><Light /><Board /></>);`;
    let application: ReactApplication;

    before(() => {
      application = new ReactApplication(
        'docs/guides/react.md',
        { 'database.ts': database, 'main.tsx': live },
        (text) => text.replaceAll('http://localhost:3001', world.gateway.url),
      );
    });
    after(() => application?.close());

    const publish = (channel: string, data: unknown): Promise<unknown> =>
      world.publish.fcall(channel, JSON.stringify(data));

    it('whose types are right', () => application.check());

    it('show a message, a collection and a status', async () => {
      const code = await application.bundle('main.tsx');
      server.pages['/main'] = () => '<!doctype html><body><script type="module" src="/main.js"></script>';
      server.pages['/main.js'] = () => code;
      await send('PUT', 'drivers', [driver('Josh', 3)]);
      await page.goto(`${origin}/main`);
      await shows('#light', 'live');
      await publish('price:1', { price: 42 });
      await shows('#price', '42');
      await shows('#board', 'Josh: 3');
      await send('PATCH', 'drivers', [update(driver('Sylvia', 1))]);
      await shows('#board', 'Josh: 3Sylvia: 1');
      await page.context().setOffline(true);
      await shows('#light', 'not live: offline');
      server.cut();
      await publish('price:1', { price: 43 });
      await page.context().setOffline(false);
      await shows('#price', '43');
      await shows('#light', 'live');
    });

    it('go on where a server has rendered, in strict mode, and load only after a reset', async () => {
      const { page: rendered } = await application.load<{ page(): Promise<string> }>('server.tsx');
      const code = await application.bundle('page.tsx');
      let loads = 0;
      server.pages['/'] = async () => {
        const html = await rendered();
        // What is published before the page has even begun to load.
        await publish('room:918', { id: 2, text: 'between' });
        await send('PATCH', 'drivers', [update(driver('Sylvia', 2))]);
        return html;
      };
      server.pages['/page.js'] = () => code;
      server.pages['/rooms/918/comments'] = () => JSON.stringify([{ id: ++loads, text: 'loaded' }]);
      await send('PUT', 'drivers', [driver('Josh', 3)]);
      await page.goto(`${origin}/`);
      await shows('#comments', 'renderedbetween');
      await shows('#board', 'Josh: 3Sylvia: 2');
      await publish('room:918', { id: 3, text: 'live' });
      await shows('#comments', 'renderedbetweenlive');
      await shows('#light', 'ok');
      expect([loads, snapshots()]).to.deep.equal([0, 0]);
      expect(server.passed.filter((path) => path === '/stream')).to.have.length(1);
      expect((await world.gateway.status()).streams).to.equal(1);
      await world.client.publish('room:918', 'x'.repeat(300 * 1024));
      await shows('#comments', 'loaded');
      expect(loads).to.equal(1);
    });
  });
});
