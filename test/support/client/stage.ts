import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { type Relay, startRelay } from '../relay.ts';
import { eventually } from '../wait.ts';
import { Front, type FrontOptions } from './front.ts';

export interface StageOptions extends FrontOptions {
  browser: Browser;
  /** For `window.begin` of the front's page. */
  client: Record<string, unknown>;
}

/** A page in a browser, and what is between it and the gateway: a site (`front`), and the way to it (`relay`). */
export class Stage {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly relay: Relay;
  readonly front: Front;
  /** The last number that was published for the page. */
  sent = 0;

  private constructor(context: BrowserContext, page: Page, relay: Relay, front: Front) {
    this.context = context;
    this.page = page;
    this.relay = relay;
    this.front = front;
  }

  /** Resolves when the page's stream is live. */
  static async open({ browser, client, ...options }: StageOptions): Promise<Stage> {
    const front = new Front(options);
    const relay = await startRelay({ targetPort: await front.start() });
    const context = await browser.newContext();
    const page = await context.newPage();
    const stage = new Stage(context, page, relay, front);
    await stage.visit('/page');
    await page.evaluate((given) => window.begin(given), client);
    await stage.isLive();
    return stage;
  }

  async visit(path: string): Promise<void> {
    await this.page.goto(`${this.relay.url}${path}`);
    await this.page.waitForFunction(() => window.isReady);
  }

  async isLive(): Promise<void> {
    await eventually(async () => (await this.status()) === 'ok', 10_000, 50);
  }

  status(): Promise<string> {
    return this.page.evaluate(() => window.stream.status.state);
  }

  words(): Promise<string[]> {
    return this.page.evaluate(() => window.words);
  }

  got(): Promise<number[]> {
    return this.page.evaluate(() => window.got);
  }

  devtools(): Promise<CDPSession> {
    return this.context.newCDPSession(this.page);
  }

  async close(): Promise<void> {
    await this.context.close();
    await this.relay.stop();
    await this.front.stop();
  }
}

declare global {
  interface Window {
    isReady: boolean;
    wasCached: boolean;
    got: number[];
    words: string[];
    stream: { status: { state: string; reason?: string }; position: string; close(): void };
    begin(options: Record<string, unknown>): void;
  }
}
