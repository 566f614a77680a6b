import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import { SCENARIOS } from '../support/client/react-scenarios.ts';
import { ROOT } from '../support/documents.ts';

declare global {
  interface Window {
    scenarios: { run(name: string): Promise<void> };
  }
}

const FILE = 'test/support/client/react-scenarios.ts';

describe('the hooks for React in Chromium', function () {
  this.timeout(60_000);
  let browser: Browser;
  let page: Page;

  before(async () => {
    const [launched, built] = await Promise.all([
      launchChromium(),
      build({
        absWorkingDir: ROOT,
        entryPoints: [FILE],
        bundle: true,
        write: false,
        format: 'iife',
        globalName: 'scenarios',
        define: { 'process.env.NODE_ENV': '"development"' },
      }),
    ]);
    browser = launched;
    page = await browser.newPage();
    await page.addScriptTag({ content: built.outputFiles[0]!.text });
  });
  after(() => browser?.close());

  for (const name of Object.keys(SCENARIOS)) {
    it(name, async () => {
      await page.evaluate((scenario) => window.scenarios.run(scenario), name);
    });
  }
});
