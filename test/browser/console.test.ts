import { expect } from 'chai';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const SECRET = 'the-secret-of-this-console';

interface Row {
  kind: string;
  name: string;
  channel: string;
  revision: string;
  latency: string;
  text: string;
  id: string;
}

describe('the console in Chromium', function () {
  this.timeout(60_000);
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let redis: RedisServer;
  let demo: Gateway;
  let guarded: Gateway;
  const problems: string[] = [];
  const hosts = new Set<string>();

  before(async () => {
    redis = await startRedis({});
    const env = { REDIS_URL: redis.url, SISYPHUS_NOOP_INTERVAL: '500ms' };
    [browser, demo, guarded] = await Promise.all([
      launchChromium(),
      startGateway(env, undefined, ['--demo']),
      // So that a test can be another client than the others are.
      startGateway({ ...env, SISYPHUS_CONSOLE_SECRET: SECRET, SISYPHUS_TRUSTED_PROXIES: '127.0.0.1,::1' }),
    ]);
  });
  after(async () => {
    await browser?.close();
    await Promise.all([demo?.stop(), guarded?.stop()]);
    await redis?.stop();
  });

  beforeEach(async () => {
    problems.length = 0;
    hosts.clear();
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    page = await context.newPage();
    page.on('pageerror', ({ message }) => problems.push(message));
    page.on('console', (line) => {
      // The browser writes there what a test has refused.
      if (line.type() === 'error' && !/status of (400|401|429|502)/.test(line.text())) problems.push(line.text());
    });
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
        console.error(`violates ${violatedDirective}: ${blockedURI}`);
      });
    });
  });
  afterEach(async () => {
    await context.close();
    expect(problems).to.deep.equal([]);
  });

  const open = async (gateway = demo): Promise<void> => {
    await page.goto(`http://localhost:${gateway.port}/`);
    expect(page.url()).to.match(/\/console$/);
    if (gateway === demo) await isOpen();
  };
  const state = (): Promise<string | null> => page.textContent('#state');
  const isOpen = (): Promise<true> => eventually(async () => /^open/.test((await state()) ?? '') || undefined, 10_000);
  /** The rows that are shown, the newest first, without those of the page itself. */
  const rows = (): Promise<Row[]> =>
    page.evaluate(() =>
      [...document.querySelectorAll('#frames > li:not(.note, [hidden])')].map((row) => {
        const cells = [...row.querySelectorAll('.line > span')].map((cell) => [cell.className, cell.textContent]);
        const { kind: name, 'latency replayed': replayed, ...others } = Object.fromEntries(cells);
        return { ...others, kind: row.className.split(' ')[1], name, latency: replayed ?? others.latency } as Row;
      }),
    );
  const messages = async (): Promise<Row[]> => (await rows()).filter(({ kind }) => kind === 'message');
  const texts = async (): Promise<string[]> => (await messages()).map(({ text }) => text).reverse();
  const shows = (...expected: string[]): Promise<true> =>
    eventually(async () => ((await texts()).join() === expected.join() ? true : undefined), 8000);

  async function publish(data: string, { channel = 'room:1', way = 'HTTP', event = '' } = {}): Promise<void> {
    await page.locator('.ways label', { hasText: new RegExp(`^${way}$`) }).click();
    await page.fill('#publish-channel', channel);
    await page.fill('#publish-data', data);
    if (way !== 'PUBLISH') await page.fill('#publish-event', event);
    await page.evaluate(() => {
      document.getElementById('publish-result')!.textContent = '';
    });
    await page.click('#publish button.main');
    await eventually(async () => (await page.textContent('#publish-result')) !== '' || undefined);
  }

  it('listens from the first second, and shows what is published in each way, with the line that does the same', async () => {
    await open();
    await publish('by HTTP');
    await publish('by FCALL', { way: 'FCALL', event: 'moved' });
    expect(await page.textContent('[data-command="publish"] code')).to.equal(
      `redis-cli -p ${redis.port} FCALL sisyphus_publish 1 'sisyphus:{0}' room:1 'by FCALL' moved`,
    );
    await publish(`it's plain`, { way: 'PUBLISH' });
    expect(await page.textContent('[data-command="publish"] code')).to.equal(
      `redis-cli -p ${redis.port} PUBLISH room:1 'it'\\''s plain'`,
    );
    expect(await page.textContent('#publish-result')).to.match(/^\d clients? of Redis ha\w+ received it/);
    await shows('by HTTP', 'by FCALL', `it's plain`);
    const [third, second, first] = await messages();
    expect([first!.name, second!.name, third!.name]).to.deep.equal(['message', 'moved', 'message']);
    const revisions = [first, second, third].map((row) => Number(row!.revision));
    expect(revisions).to.deep.equal([revisions[0], revisions[0]! + 1, revisions[0]! + 2]);
    for (const row of [first, second, third]) {
      expect(row).to.include({ channel: 'room:1' });
      expect(row!.id).to.match(/^\d{16}$/);
      expect(row!.latency).to.match(/^[\d.]+ ms$/);
    }
    expect((await rows()).at(-1)).to.include({ kind: 'status', name: 'status ok' });
    await eventually(async () => (await rows()).some(({ kind }) => kind === 'noop') || undefined);
    expect([...hosts]).to.deep.equal([`localhost:${demo.port}`]);
  });

  it('shows a message as text, whatever is in it, and opens it as it was read', async () => {
    await open();
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
    await publish(hostile);
    await shows(hostile);
    await page.locator('#frames .message .line').first().click();
    const [raw, decoded] = await page.locator('#frames .detail pre').allTextContents();
    const [{ id, revision }] = (await messages()) as [Row];
    expect(raw).to.equal(
      `data: ${JSON.stringify({ channel: 'room:1', revision: Number(revision), id, data: hostile })}\nid: ${id}`,
    );
    expect(JSON.parse(decoded!)).to.include({ id, data: hostile });
    expect(await page.title()).to.equal('Sisyphus console');
    expect(await page.locator('#frames img').count()).to.equal(0);
  });

  it('shows how a right comes and goes, and a user who is disconnected come back', async () => {
    await open();
    await page.fill('#rights-channel', 'room:7');
    await page.click('#rights [value="grant"]');
    await page.locator('#rights-list', { hasText: 'room:7' }).waitFor();
    await publish('granted', { channel: 'room:7' });
    await page.click('[aria-label="Revoke room:7"]');
    await eventually(async () => (await page.textContent('#rights-result'))?.startsWith('revoked room:7') || undefined);
    await publish('revoked', { channel: 'room:7' });
    await publish('last');
    await eventually(async () => (await texts()).includes('last') || undefined);
    expect((await texts()).filter((text) => !text.startsWith('{'))).to.deep.equal(['granted', 'last']);
    await page.click('#rights [value="disconnect"]');
    await eventually(async () => (await rows()).some(({ name }) => name === 'status failure') || undefined);
    expect(await state()).to.equal('failure: revoked; tries again within a minute');
    await page.click('#connect');
    await isOpen();
  });

  it('cuts its connection, and gets what it has missed, once and in order', async () => {
    await open();
    await publish('before');
    await shows('before');
    await page.selectOption('#away', '10');
    await page.click('#cut');
    expect(await state()).to.equal('back in 10 s');
    for (const text of ['one', 'two', 'three']) await publish(text);
    expect(await texts()).to.deep.equal(['before']);
    await isOpen();
    await publish('after');
    await shows('before', 'one', 'two', 'three', 'after');
    const latencies = (await messages()).map(({ latency }) => latency);
    expect(latencies.slice(1, 4)).to.deep.equal(['replay', 'replay', 'replay']);
    expect([latencies[0], latencies[4]]).not.to.include('replay');
  });

  it('forces a reset, for the reason that it has', async () => {
    await open();
    await publish('before');
    await shows('before');
    await page.click('#reset');
    await eventually(
      async () => (await page.textContent('#last-reset')) === 'last reset: room:1, trimmed' || undefined,
    );
    expect((await rows()).filter(({ kind }) => kind === 'reset').map(({ channel }) => channel)).to.deep.equal([
      'room:1',
    ]);
    for (const how of ['future', 'unreadable']) {
      await page.click('#clear');
      await page.selectOption('#reset-how', how);
      await page.click('#reset');
      await eventually(async () => (await rows()).some(({ name }) => name === `reset ${how}`) || undefined);
    }
  });

  it('listens to what the form says: raw, channels by name, the last messages', async () => {
    await open();
    await publish('<message>old</message>');
    await page.fill('#listen-channels', 'room:1, secret:1');
    await page.selectOption('#listen-format', 'raw');
    await page.selectOption('#listen-begin', 'overlap');
    await page.fill('#listen-start', '1');
    expect(await page.textContent('[data-command="listen"] code')).to.equal(
      `curl -N 'http://localhost:${demo.port}/?user=1&c=room:1&c=secret:1&overlap=1'`,
    );
    await page.click('#clear');
    await page.click('#connect');
    await isOpen();
    await shows('<message>old</message>');
    await eventually(
      async () => (await rows()).some(({ kind, channel }) => kind === 'denied' && channel === 'secret:1') || undefined,
    );
    await page.click('#disconnect');
    expect(await state()).to.equal('closed');
    // An event that the page has no listener for is shown if its name is in the JSON.
    await page.selectOption('#listen-format', 'frames');
    await page.selectOption('#listen-begin', 'now');
    await page.click('#connect');
    await isOpen();
    await redis.client().call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', 'room:1', 'unheard of', 'surprise');
    await eventually(async () => (await messages()).some(({ name }) => name === 'surprise') || undefined);
    await page.fill('#listen-user', '');
    await page.fill('#listen-channels', '');
    await page.click('#connect');
    await eventually(async () => /^failure: missing; /.test((await state()) ?? '') || undefined);
  });

  it('listens for no event that the browser or the gateway keeps for itself', async () => {
    await open();
    await publish('before');
    await shows('before');
    const expected = 'expected 1 to 128 of A-Z a-z 0-9 _ . : -, and not one of reset, denied, open, error, message';
    for (const name of ['error', 'open', 'message', 'reset', 'denied', 'mo<ved']) {
      await page.fill('#listen-events', `moved, ${name}`);
      await page.click('#connect');
      expect(await page.textContent('#listen-result')).to.equal(
        `No message can have the event "${name}": ${expected}.`,
      );
      await publish('never', { event: name });
      expect(await page.textContent('#publish-result')).to.equal(`event "${name}": ${expected}`);
    }
    expect(await state(), 'the stream that was open').to.equal('open as user 1');
    await page.route('**/console/stream?*', (route) => route.fulfill({ status: 502 }));
    await page.selectOption('#away', '0');
    await page.click('#cut');
    await eventually(async () => (await state()) === 'the gateway refused the connection' || undefined);
    await publish('missed');
    await page.unroute('**/console/stream?*');
    await isOpen();
    await shows('before', 'missed');
    await page.fill('#listen-events', 'moved');
    await page.click('#connect');
    expect(await page.textContent('#listen-result')).to.equal('');
  });

  it('takes no event for a frame that is none', async () => {
    await page.addInitScript(() => {
      const sources: EventSource[] = [];
      Object.assign(window, { sources });
      window.EventSource = class extends EventSource {
        constructor(...asked: ConstructorParameters<typeof EventSource>) {
          super(...asked);
          sources.push(this);
        }
      };
    });
    await open();
    await publish('before');
    await shows('before');
    await page.evaluate(() => {
      const { sources } = window as unknown as { sources: EventSource[] };
      for (const source of sources.filter(({ url }) => url.includes('/stream')))
        source.dispatchEvent(new Event('reset'));
    });
    await page.click('#cut');
    await page.locator('#frames .note', { hasText: /cut at \d{16}$/ }).waitFor();
    expect((await rows()).filter(({ kind }) => kind === 'reset' || kind === 'message')).to.have.length(1);
  });

  it('keeps a bounded number of rows, is filtered, paused and cleared', async () => {
    await open();
    const post = (count: number, data: string): Promise<void> =>
      page.evaluate(
        async ([many, text]) => {
          const body = JSON.stringify(
            Array.from({ length: many }, (_, i) => ({ channel: 'room:2', data: `${text}-${i}` })),
          );
          await fetch('console/publish', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
        },
        [count, data] as const,
      );
    for (let i = 0; i < 6; i++) await post(100, `batch-${i}`);
    await eventually(async () => /60\d messages/.test((await page.textContent('#counts')) ?? '') || undefined);
    expect(await page.locator('#frames > li').count()).to.equal(500);
    await page.fill('#filter', 'room:2 batch-5-99');
    await shows('batch-5-99');
    await page.check('#hide-noop');
    await page.click('#pause');
    await post(1, 'batch-5-99-waits');
    await eventually(async () => /wait$/.test((await page.textContent('#counts')) ?? '') || undefined);
    expect(await texts()).to.deep.equal(['batch-5-99']);
    await page.click('#pause');
    await shows('batch-5-99', 'batch-5-99-waits-0');
    await page.click('#clear');
    expect(await page.locator('#frames > li.message').count()).to.equal(0);
  });

  it('keeps a bounded amount of text, and shows the beginning of a long one', async () => {
    await open();
    await page.evaluate(async () => {
      const body = JSON.stringify({ channel: 'room:2', data: 'long'.repeat(50_000) });
      for (let i = 0; i < 30; i++) {
        await fetch('console/publish', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
      }
    });
    await eventually(async () => /30 messages/.test((await page.textContent('#counts')) ?? '') || undefined);
    expect(await page.locator('#frames > li.message').count()).to.equal(24);
    const text = await page.locator('#frames > li.message .text').first().textContent();
    expect(text).to.equal('long'.repeat(250));
  });

  it('shows gateway and fleet as they are, and stands still while it is hidden', async () => {
    await open();
    const at = (): Promise<string | undefined> => page.evaluate(() => document.getElementById('fleet')!.dataset.at);
    const gateways = () => page.locator('#fleet th').allTextContents();
    await eventually(async () => (await gateways()).length === 2 || undefined, 8000);
    expect((await gateways())[0]).to.match(new RegExp(`/${demo.pid} here$`));
    expect(await page.locator('#fleet .leader').count()).to.equal(1);
    await eventually(async () => (await page.locator('.tile strong').first().textContent()) === '1' || undefined, 8000);
    expect(await page.locator('#facts').textContent()).to.match(/ready.*Redis up.*recorder .*version/);
    await eventually(
      async () =>
        ((await page.locator('.tile polyline').first().getAttribute('points')) ?? '').includes(' ') || undefined,
    );
    const hide = (isHidden: boolean): Promise<void> =>
      page.evaluate((value) => {
        Object.defineProperty(document, 'hidden', { value, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, isHidden);
    await hide(true);
    const stood = await at();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await at()).to.equal(stood);
    await hide(false);
    await eventually(async () => (await at()) !== stood || undefined);
  });

  it('shows what each frame is to its end', async () => {
    await open();
    await publish('before');
    await shows('before');
    await page.selectOption('#reset-how', 'unreadable');
    await page.click('#reset');
    await page.locator('#frames .kind', { hasText: 'reset unreadable' }).first().waitFor();
    await page.fill('#listen-user', '?');
    await page.click('#connect');
    await page.locator('#frames .kind', { hasText: 'status failure' }).waitFor();
    for (const width of [375, 768, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      const cut = await page.evaluate(() =>
        [...document.querySelectorAll('#frames .kind')]
          .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
          .map(({ textContent }) => textContent),
      );
      expect(cut, `${width}`).to.deep.equal([]);
    }
  });

  it('fits a phone, a tablet and a desk, in light and dark', async () => {
    await open();
    await publish('x'.repeat(400));
    await page.locator('#frames .message .line').first().click();
    const grounds = new Set<string>();
    for (const width of [375, 768, 1280]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.setViewportSize({ width, height: 800 });
        await page.emulateMedia({ colorScheme });
        const seen = await page.evaluate(() => ({
          width: document.documentElement.scrollWidth,
          ground: getComputedStyle(document.body).backgroundColor,
        }));
        expect(seen.width, `${width}`).to.be.at.most(width);
        grounds.add(seen.ground);
      }
    }
    expect(grounds).to.deep.equal(new Set(['rgb(245, 246, 244)', 'rgb(15, 18, 20)']));
  });

  it('is used by keyboard, and says what comes to a screen reader', async () => {
    await open();
    await page.focus('#listen-user');
    const names: string[] = [];
    for (let i = 0; i < 9; i++) {
      names.push(
        await page.evaluate(() => document.activeElement!.id || (document.activeElement as HTMLInputElement).value),
      );
      await page.keyboard.press('Tab');
    }
    const expected = ['user', 'channels', 'format', 'begin', 'events'].map((name) => `listen-${name}`);
    expect(names.slice(0, 7)).to.deep.equal([...expected, 'connect', 'disconnect']);
    await page.focus('#publish-data');
    await page.keyboard.press('Control+Enter');
    await shows('{"message":"hello"}');
    await page.locator('#frames .line[tabindex="0"]').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    const expanded = page.locator('#frames .line[aria-expanded="true"]');
    expect(await expanded.count()).to.equal(1);
    await page.keyboard.press('ArrowDown');
    // It is not the second one in the list any more if a frame has come meanwhile.
    const isNext = await expanded.evaluate((line) => {
      const lines = [...document.querySelectorAll('#frames .line')];
      return lines[lines.indexOf(line) + 1] === document.activeElement;
    });
    expect(isNext).to.equal(true);
    expect(await page.locator('#frames .line[tabindex="0"]').count()).to.equal(1);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
    expect(outline).to.equal('solid');
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLInputElement>('input:not([hidden]), select, textarea')]
        .filter(({ labels }) => !labels || labels.length === 0)
        .map(({ id }) => id),
    );
    expect(nameless).to.deep.equal([]);
    await eventually(
      async () => /the last one: message of room:1/.test((await page.textContent('#news')) ?? '') || undefined,
      8000,
    );
    expect(await page.locator('#news').getAttribute('aria-live')).to.equal('polite');
  });

  it('can be reached by keyboard whichever rows are hidden or have gone, and the focus goes to a neighbour', async () => {
    await open();
    const tabbable = (): Promise<number> => page.locator('#frames > li:not([hidden]) > .line[tabindex="0"]').count();
    const focused = (): Promise<string | null> => page.evaluate(() => document.activeElement!.textContent);
    for (const text of ['hello-0', 'hello-1', 'hello-2']) await publish(text);
    await shows('hello-0', 'hello-1', 'hello-2');
    await page.fill('#filter', 'hello-1');
    expect(await tabbable()).to.equal(1);
    await page.focus('#clear');
    await page.keyboard.press('Tab');
    expect(await focused()).to.include('hello-1');
    await page.fill('#filter', '');
    await page.locator('#frames .noop .line').first().focus();
    expect(await page.locator('#frames .noop .line[tabindex="0"]').count()).to.equal(1);
    await page.check('#hide-noop');
    expect(await tabbable()).to.equal(1);
    await page.uncheck('#hide-noop');
    const pushOut = (): Promise<void> =>
      page.evaluate(async () => {
        const list = Array.from({ length: 500 }, (_, i) => ({ channel: 'room:1', data: `pushed-${i}` }));
        const headers = { 'Content-Type': 'application/json' };
        await fetch('console/publish', { method: 'POST', headers, body: JSON.stringify(list) });
      });
    await page.locator('#frames .line').first().focus();
    await page.keyboard.press('End');
    expect(await focused()).to.include('ok');
    await pushOut();
    await eventually(async () => (await page.locator('#frames .status').count()) === 0 || undefined);
    const isLast = await page.evaluate(
      () => document.activeElement === [...document.querySelectorAll('#frames .line')].at(-1),
    );
    expect(isLast).to.equal(true);
    expect(await page.locator('#frames .line[tabindex="0"]').count()).to.equal(1);
    // Without a neighbour it goes to what has hidden the others.
    await publish('alone');
    await page.fill('#filter', 'alone');
    await shows('alone');
    await page.locator('#frames > li:not([hidden]) .line').focus();
    await pushOut();
    await eventually(async () => (await page.evaluate(() => document.activeElement!.id)) === 'filter' || undefined);
    await page.fill('#filter', '');
    expect(await tabbable()).to.equal(1);
  });

  it('asks for the secret where there is one, stays logged in, and logs out', async () => {
    await open(guarded);
    await page.locator('#login').waitFor();
    expect(await page.locator('#desk').isHidden()).to.equal(true);
    expect(await page.locator('#login input:visible').count()).to.equal(1);
    await page.fill('#secret', 'not the secret');
    await page.keyboard.press('Enter');
    await eventually(
      async () => /^this is not the secret/.test((await page.textContent('#login-result')) ?? '') || undefined,
    );
    await page.fill('#secret', SECRET);
    await page.keyboard.press('Enter');
    await page.locator('#desk').waitFor();
    const [cookie] = await context.cookies(`http://localhost:${guarded.port}/console/stream`);
    expect(cookie).to.include({ name: 'sisyphus_console', httpOnly: true, sameSite: 'Strict', path: '/console' });
    await page.fill('#listen-user', '1');
    await page.click('#connect');
    await isOpen();
    await publish('behind the door');
    await shows('behind the door');
    await page.reload();
    await page.locator('#desk').waitFor();
    await page.click('#logout');
    await page.locator('#login').waitFor();
    expect(await context.cookies(`http://localhost:${guarded.port}/console/stream`)).to.deep.equal([]);
  });

  it('says after how many seconds the next log-in is looked at', async () => {
    await context.setExtraHTTPHeaders({ 'X-Forwarded-For': '192.0.2.77' });
    await open(guarded);
    await page.locator('#login').waitFor();
    await page.evaluate(async () => {
      const headers = { 'Content-Type': 'application/json' };
      for (let i = 0; i < 20; i++) await fetch('console/login', { method: 'POST', headers, body: '{"secret":"no"}' });
    });
    await page.fill('#secret', SECRET);
    await page.keyboard.press('Enter');
    await eventually(
      async () =>
        /^too many log-ins: expected the next one after \d+ s$/.test((await page.textContent('#login-result')) ?? '') ||
        undefined,
    );
  });

  it('ends in every tab of the browser by a log-out in one of them', async () => {
    await open(guarded);
    await page.fill('#secret', SECRET);
    await page.keyboard.press('Enter');
    await page.locator('#desk').waitFor();
    const other = await context.newPage();
    await other.goto(page.url());
    await other.fill('#listen-user', '1');
    await other.click('#connect');
    await other.locator('#state[data-state="open"]').waitFor();
    await page.click('#logout');
    await other.locator('#login').waitFor();
    expect(await other.getAttribute('#state', 'data-state')).to.equal('closed');
  });
});
