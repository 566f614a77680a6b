import { expect } from 'chai';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchForTabs, SharedTab } from '../support/client/shared-tabs.ts';
import { blocksOf, read } from '../support/documents.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const STREAM = { key: '1', address: '/stream?user=1' };

describe('tabs of Chromium that share a line', function () {
  this.timeout(60_000);
  let browser: Browser;
  let context: BrowserContext;
  let world: World;
  let published: string[];
  /** Those that have to have everything. */
  let tabs: SharedTab[];

  before(async () => {
    world = await startWorld({ SISYPHUS_NOOP_INTERVAL: '1s', SISYPHUS_PUBLIC_CHANNELS: 'news:*' });
    await world.allow('1', 'room:1');
    browser = await launchForTabs();
    context = await browser.newContext();
    published = [];
    tabs = await Promise.all(Array.from({ length: 8 }, () => SharedTab.open(context, world.gateway.url, STREAM)));
    await Promise.all(tabs.map((tab) => tab.ok()));
  });

  after(async () => {
    await browser?.close();
    await world?.stop();
  });

  async function publish(): Promise<void> {
    const text = `message ${published.length}`;
    published.push(text);
    await world.publish.fcall('room:1', text);
  }

  /** Every tab has everything, once and in order, by one stream. */
  async function expectAll(deadline = 5_000): Promise<void> {
    for (const tab of tabs) {
      await eventually(async () => (await tab.read()).length >= published.length, deadline).catch(() => undefined);
      expect(await tab.read()).to.deep.equal(published);
    }
    await eventually(async () => (await world.gateway.status()).streams === 1, deadline);
  }

  /** The one that has a stream, which is none of those any more that have to have everything. */
  async function takeLeader(): Promise<SharedTab> {
    const leader = await eventually(() => {
      const leaders = tabs.filter(({ leads }) => leads);
      return leaders.length === 1 && leaders[0];
    });
    tabs = tabs.filter((tab) => tab !== leader);
    return leader;
  }

  it('are eight on one connection, so that the site answers', async () => {
    await publish();
    await expectAll();
    for (const tab of tabs)
      expect(await tab.page.evaluate("fetch('/healthz').then(({ status }) => status)")).to.equal(200);
  });

  it('go on when the leader is closed', async () => {
    const leader = await takeLeader();
    await Promise.all([leader.page.close(), publish()]);
    await publish();
    await expectAll();
  });

  it('go on when the leader goes to another page, which catches up when it comes back', async () => {
    const leader = await takeLeader();
    await Promise.all([leader.page.goto(`${world.gateway.url}/healthz`), publish()]);
    await publish();
    await expectAll();
    // What the page has read is still there, so it comes from the browser's cache.
    await leader.page.goBack({ waitUntil: 'commit' });
    tabs.push(leader);
    await publish();
    await expectAll();
  });

  it('go on when the leader is frozen, which catches up', async () => {
    const leader = await takeLeader();
    await leader.lifecycle('frozen');
    await publish();
    await expectAll();
    await leader.lifecycle('active');
    tabs.push(leader);
    await publish();
    await expectAll();
  });

  it('go on when the leader hangs, which follows when it has come back', async () => {
    const leader = await takeLeader();
    const { end } = await leader.hang(8_000, tabs[0]!);
    await publish();
    await expectAll(7_500);
    expect(tabs.filter(({ leads }) => leads)).to.have.length(1);
    await end;
    tabs.push(leader);
    await publish();
    await expectAll();
  });

  it('give a new tab what came behind its position', async () => {
    const { id } = (await (await fetch(`${world.gateway.url}/position`)).json()) as { id: string };
    const before = published.length;
    await publish();
    await publish();
    const tab = await SharedTab.open(context, world.gateway.url, { ...STREAM, since: id });
    await publish();
    await eventually(async () => (await tab.read()).length === 3);
    expect(await tab.read()).to.deep.equal(published.slice(before));
    expect(await tab.statuses()).to.deep.equal(['ok']);
    await expectAll();
    await tab.page.close();
    await expectAll();
  });

  it('go on when the leader crashes', async () => {
    const leader = await takeLeader();
    const crashed = new Set<SharedTab>();
    for (const tab of tabs) tab.page.on('crash', () => crashed.add(tab));
    await leader.crash();
    await publish();
    tabs = tabs.filter((tab) => !crashed.has(tab));
    expect(tabs, 'pages with other processes').to.have.length.above(1);
    await expectAll();
  });

  it('end when another user logs in', async () => {
    const address = '/stream?c=news:1';
    const old = await SharedTab.open(context, world.gateway.url, { key: '1', address });
    await old.ok();
    const late = await SharedTab.open(context, world.gateway.url, { key: '2', address });
    await late.ok();
    await eventually(async () => (await old.statuses()).at(-1) === 'failure user_changed');
    await world.publish.fcall('news:1', 'to the second user');
    await eventually(async () => (await late.read()).length === 1);
    expect(await old.read()).to.deep.equal([]);
  });

  describe('by the pages of docs/guides/many-tabs.md', () => {
    const [sharing, reloading] = blocksOf(read('docs/guides/many-tabs.md')).map(({ text }) => text);

    /** `later`: what it is when it is loaded again. */
    async function openPage(html: string, later = html): Promise<Page> {
      const page = await context.newPage();
      const bodies = [html];
      await page.route('**/a-page', (route) =>
        route.fulfill({ contentType: 'text/html', body: bodies.shift() ?? later }),
      );
      await page.goto(`${world.gateway.url}/a-page`);
      return page;
    }

    it('share a stream', async () => {
      await world.allow('7', 'room:918');
      const before = (await world.gateway.status()).streams;
      const pages = [await openPage(sharing!), await openPage(sharing!)];
      const said = new Set<Page>();
      for (const page of pages) page.on('console', (message) => message.text() === 'hello' && said.add(page));
      await eventually(async () => {
        await world.publish.fcall('room:918', 'hello');
        return said.size === 2;
      });
      expect((await world.gateway.status()).streams).to.equal(before + 1);
      for (const page of pages) await page.close();
    });

    it('are loaded again when another user logs in', async () => {
      const ofAnother = reloading!.replace("key: '7'", "key: '8'");
      const page = await openPage(reloading!, ofAnother);
      const loaded = page.waitForEvent('load');
      const other = await openPage(ofAnother);
      await loaded;
      await page.close();
      await other.close();
    });
  });
});
