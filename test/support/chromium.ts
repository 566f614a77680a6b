import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import type { EventSourceClient, OpenClient, Received } from './event-source-clients.ts';
import { reportRefusal } from './refusals.ts';

export const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-dev-shm-usage',
];

declare global {
  interface Window {
    received: Received[];
    source: EventSource;
  }
}

/** @param without arguments that playwright gives by itself, such as the one against the back/forward cache */
export async function launchChromium(without: string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGS, ignoreDefaultArgs: without, timeout: 60_000 });
}

/** An empty page of the gateway's own origin, so that no CORS rule stands between. */
export async function openPage(browser: Pick<BrowserContext, 'newPage'>, origin: string): Promise<Page> {
  const page = await browser.newPage();
  const address = `${origin}/an-empty-page`;
  await page.route(address, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
  await page.goto(address);
  // From here on the browser's own network code does all the work.
  await page.unroute(address);
  page.on('response', (response) => {
    const isStream = response.request().resourceType() === 'eventsource';
    if (isStream && response.status() !== 200) reportRefusal(`Chromium: ${response.url()}`, response.status());
  });
  return page;
}

/** Chromium's own EventSource, in a page of its own. */
export function chromiumClient(browser: Browser): OpenClient {
  return async (url, events) => {
    const page = await openPage(browser, new URL(url).origin);
    await page.evaluate(
      ([address, names]) => {
        window.received = [];
        window.source = new EventSource(address);
        for (const event of ['message', ...names]) {
          window.source.addEventListener(event, ({ lastEventId, data }) => {
            window.received.push({ id: lastEventId, event, data });
          });
        }
      },
      [url, events] as const,
    );
    return pageClient(page);
  };
}

function pageClient(page: Page): EventSourceClient {
  const received: Received[] = [];
  return {
    name: 'Chromium',
    // Only what is new crosses over: a page that holds thousands of messages would be slow to read whole each time.
    read: async () => {
      const more = await page.evaluate((from) => window.received.slice(from), received.length);
      received.push(...more);
      return received;
    },
    close: async () => {
      await page.evaluate(() => window.source.close());
      await page.close();
    },
  };
}
