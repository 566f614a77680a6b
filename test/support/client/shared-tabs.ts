import { type Browser, type BrowserContext, chromium, type Page, type Request } from 'playwright-core';
import { ARGS, EXECUTABLE, openPage } from '../chromium.ts';
import { eventually } from '../wait.ts';

interface TabOptions {
  key: string;
  /** Of the stream, such as `/stream?c=news:1`. */
  address: string;
  since?: string;
}

/** Each page has a process, so that one that hangs or crashes does not take others with it. */
export async function launchForTabs(): Promise<Browser> {
  const args = [...ARGS, '--renderer-process-limit=20'];
  const ignoreDefaultArgs = ['--disable-back-forward-cache'];
  return chromium.launch({ executablePath: EXECUTABLE, args, ignoreDefaultArgs, timeout: 60_000 });
}

/** A page in Chromium whose client shares its line with other tabs. */
export class SharedTab {
  readonly page: Page;
  /** How many streams it has open. */
  #open = 0;

  private constructor(page: Page) {
    this.page = page;
    const count = (change: number) => (request: Request) => {
      if (request.resourceType() === 'eventsource') this.#open += change;
    };
    page.on('request', count(1));
    page.on('requestfinished', count(-1));
    page.on('requestfailed', count(-1));
  }

  get leads(): boolean {
    return this.#open > 0;
  }

  static async open(context: BrowserContext, origin: string, options: TabOptions): Promise<SharedTab> {
    const tab = new SharedTab(await openPage(context, origin));
    await tab.start(options);
    return tab;
  }

  async start({ key, address, since }: TabOptions): Promise<void> {
    await this.page.evaluate(`(async () => {
      const { Sisyphus } = await import('/client.js');
      const { tabs } = await import('/client/tabs.js');
      const stream = new Sisyphus(${JSON.stringify(address)}, {
        through: [tabs({ key: ${JSON.stringify(key)} })],
        ...${JSON.stringify(since === undefined ? {} : { since })},
      });
      window.read = [];
      window.statuses = [];
      stream.on('message', ({ data }) => window.read.push(data));
      stream.on('status', ({ state, reason }) => window.statuses.push(reason ? state + ' ' + reason : state));
    })()`);
  }

  read(): Promise<string[]> {
    return this.page.evaluate('window.read') as Promise<string[]>;
  }

  statuses(): Promise<string[]> {
    return this.page.evaluate('window.statuses') as Promise<string[]>;
  }

  async ok(): Promise<void> {
    await eventually(async () => (await this.statuses()).at(-1) === 'ok', 8_000);
  }

  async lifecycle(state: 'frozen' | 'active'): Promise<void> {
    const session = await this.page.context().newCDPSession(this.page);
    await session.send('Page.setWebLifecycleState', { state });
    await session.detach();
  }

  /** The renderer ends at once, with all pages that it has. */
  async crash(): Promise<void> {
    const crashed = this.page.waitForEvent('crash');
    const session = await this.page.context().newCDPSession(this.page);
    // There is no answer.
    session.send('Page.crash').catch(() => undefined);
    await crashed;
  }

  /** The page does nothing else for so long. `other`: a tab that sees that it has begun. */
  async hang(milliseconds: number, other: SharedTab): Promise<{ end: Promise<unknown> }> {
    const loop = `{ localStorage.hangs = 1; const end = Date.now() + ${milliseconds}; while (Date.now() < end); }`;
    const end = this.page.evaluate(loop);
    await eventually(() => other.page.evaluate('localStorage.hangs'));
    return { end };
  }
}
