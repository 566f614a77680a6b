import { expect } from 'chai';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import type { Row } from '../support/live-page.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const COLLECTIONS = JSON.stringify({
  drivers: { key: 'driver_name', public: true },
  cars: { key: 'number', public: true },
  secret: { key: 'login' },
});
const NAMES = Array.from({ length: 40 }, (_, i) => `Driver ${i}`);

describe('the live page in Chromium', function () {
  this.timeout(120_000);
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let world: World;
  let storm: { stop(): Promise<void> } | undefined;
  const problems: string[] = [];

  before(async () => {
    world = await startWorld({ SISYPHUS_COLLECTIONS: COLLECTIONS });
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await world?.stop();
  });
  beforeEach(async () => {
    problems.length = 0;
    await put('drivers', []);
    context = await browser.newContext();
    page = await context.newPage();
    page.on('pageerror', ({ message }) => problems.push(message));
    page.on('console', (line) => {
      // A connection that breaks is written there by the browser.
      if (line.type() === 'error' && !/net::ERR|Failed to load resource/.test(line.text())) problems.push(line.text());
    });
  });
  afterEach(async () => {
    await storm?.stop();
    storm = undefined;
    await context.close();
    expect(problems).to.deep.equal([]);
  });

  async function send(method: string, name: string, body: unknown): Promise<void> {
    const response = await fetch(`${world.gateway.url}/live/${name}`, {
      method,
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${PUBLISH_SECRET}` },
      body: JSON.stringify(body),
    });
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  }

  const put = (name: string, list: Row[]): Promise<void> => send('PUT', name, list);
  const patch = (...batch: unknown[]): Promise<void> => send('PATCH', 'drivers', batch);
  const update = (name: string, more: Row = {}) => ({ type: 'update', data: { driver_name: name, ...more } });
  const read = async (): Promise<{ drivers: Row[]; revision: number; epoch: string }> =>
    (await (await fetch(`${world.gateway.url}/live/drivers`)).json()) as {
      drivers: Row[];
      revision: number;
      epoch: string;
    };

  /** The cells of the table, with its revision. */
  function shown(): Promise<{ revision: string; rows: string[][]; heads: string[] }> {
    return page.evaluate(() => {
      const table = document.querySelector('#table-drivers')!;
      return {
        revision: table.querySelector('tbody')!.dataset.revision!,
        heads: [...table.querySelectorAll('thead th')].map(({ textContent }) => textContent!),
        rows: [...table.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent!)),
      };
    });
  }

  /** Until the table is what the server has. */
  function isRight(deadlineMs = 5_000): Promise<true> {
    return eventually(async () => {
      const { drivers, revision } = await read();
      const { rows, heads, revision: mine } = await shown();
      const expected = drivers.map((row) => heads.map((head) => String(row[head] ?? '')));
      return (
        (String(revision) === mine && JSON.stringify(expected.sort()) === JSON.stringify(rows.sort())) || undefined
      );
    }, deadlineMs);
  }

  const isLive = (): Promise<true> =>
    eventually(async () => (await page.textContent('#state')) === 'Live' || undefined, 10_000);
  const streams = async (): Promise<number> => (await world.gateway.status()).streams;

  /** 200 updates a second, in 20 batches. */
  function begin(): { stop(): Promise<void> } {
    let isOver = false;
    let lap = 0;
    const running = (async () => {
      while (!isOver) {
        const batch = Array.from({ length: 10 }, () => update(NAMES[lap % NAMES.length]!, { lap: lap++ }));
        await patch(...batch).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    return {
      stop: async () => {
        isOver = true;
        await running;
      },
    };
  }

  it('has no data in it, and shows a table for each public collection', async () => {
    await put('drivers', [{ driver_name: 'Josh', lap: 3 }]);
    const response = await fetch(`${world.gateway.url}/live`);
    const html = await response.text();
    expect(response.headers.get('Content-Type')).to.match(/^text\/html/);
    expect(html).not.to.contain('Josh');
    expect(html).not.to.contain('"secret"');
    await page.goto(`${world.gateway.url}/live`);
    await isLive();
    await isRight();
    expect(await page.locator('table').count()).to.equal(2);
    expect((await shown()).rows).to.deep.equal([['Josh', '3']]);
  });

  it('applies what is created, updated and destroyed, and highlights what has changed', async () => {
    await put('drivers', [{ driver_name: 'Josh', lap: 3 }, { driver_name: 'Perry' }]);
    await page.goto(`${world.gateway.url}/live`);
    await isLive();
    await patch(update('<b>Sylvia</b>', { lap: 1, team: { name: 'a' } }), update('Josh', { lap: 4 }), {
      type: 'delete',
      data: { driver_name: 'Perry' },
    });
    await eventually(async () => (await page.locator('tr.changed').count()) === 2 || undefined);
    expect((await shown()).rows).to.deep.equal([
      ['Josh', '4', ''],
      ['<b>Sylvia</b>', '1', '{"name":"a"}'],
    ]);
    expect(await streams()).to.equal(1);
  });

  it('is sorted by keyboard, keeps that through a start over, and says it to a screen reader', async () => {
    await put('drivers', [
      { driver_name: 'b', lap: 10 },
      { driver_name: 'a', lap: 9 },
      { driver_name: 'c', lap: 100 },
    ]);
    await page.goto(`${world.gateway.url}/live`);
    await isLive();
    await isRight();
    const names = async (): Promise<string[]> => (await shown()).rows.map(([name]) => name!);
    await page.locator('#table-drivers thead button', { hasText: 'lap' }).focus();
    await page.keyboard.press('Enter');
    expect(await names()).to.deep.equal(['a', 'b', 'c']);
    await page.keyboard.press('Space');
    expect(await names()).to.deep.equal(['c', 'b', 'a']);
    const head = page.locator('#table-drivers th[data-column="lap"]');
    expect(await head.getAttribute('aria-sort')).to.equal('descending');
    expect(await head.getAttribute('scope')).to.equal('col');
    expect(await page.locator('#table-drivers tbody th[scope="row"]').count()).to.equal(3);
    expect(await page.locator('#state').getAttribute('role')).to.equal('status');
    await world.client.flushall();
    await eventually(async () => {
      await put('drivers', [
        { driver_name: 'x', lap: 1 },
        { driver_name: 'y', lap: 2 },
      ]);
      return (await names()).join() === 'y,x' || undefined;
    }, 10_000);
    await eventually(async () => (await streams()) === 1 || undefined);
  });

  it('goes by the revision: it ignores an old one, and starts over once if one is missing', async () => {
    await put('drivers', [{ driver_name: 'a' }]);
    await page.goto(`${world.gateway.url}/live`);
    await isLive();
    let snapshots = 0;
    page.on('request', (request) => {
      if (request.url().endsWith('/live/drivers')) snapshots++;
    });
    // Somebody publishes on the channel: that takes a revision, and says nothing.
    const { epoch } = await read();
    await world.publish.fcall('collection:drivers', JSON.stringify({ version: 0, revision: 0, epoch }));
    await patch(update('b'));
    await isRight();
    await patch(update('c'));
    await isRight();
    expect(snapshots).to.equal(1);
    await eventually(async () => (await streams()) === 1 || undefined);
  });

  it('fits a phone, and the dark', async () => {
    await put('drivers', [{ driver_name: 'x'.repeat(60), a: 'a'.repeat(60), b: 'b'.repeat(60), c: 'c'.repeat(60) }]);
    await page.setViewportSize({ width: 360, height: 640 });
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.goto(`${world.gateway.url}/live`);
    await isRight();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, 'only the table scrolls').to.be.at.most(360);
    const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(ground).to.equal('rgb(20, 23, 26)');
  });

  it('is right again after a storm, a time offline and a Redis that was flushed, with one connection', async () => {
    storm = begin();
    await page.goto(`${world.gateway.url}/live`);
    await isLive();
    await eventually(async () => (await shown()).rows.length === NAMES.length || undefined);
    await context.setOffline(true);
    await eventually(async () => /^Not live since /.test((await page.textContent('#state'))!) || undefined);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    await context.setOffline(false);
    await storm.stop();
    await isRight(5_000);
    await eventually(async () => (await streams()) === 1 || undefined);
    storm = begin();
    await eventually(async () => Number((await shown()).revision) > 100 || undefined, 20_000);
    await world.client.flushall();
    await eventually(async () => Number((await shown()).revision) < 100 || undefined, 5_000);
    await storm.stop();
    storm = undefined;
    await isRight(5_000);
    await isLive();
    await eventually(async () => (await streams()) === 1 || undefined);
    world.gateway.kill('SIGSTOP');
    world.gateway.kill('SIGCONT');
    await isRight(5_000);
  });
});
