import fc from 'fast-check';
import type { Browser } from 'playwright-core';
import { chromiumClient, launchChromium } from '../support/chromium.ts';
import { anyBytes, anyText, NOT_UTF8, TEXTS } from '../support/payloads.ts';
import { WAYS } from '../support/publisher.ts';
import { Reader, roundTrip } from '../support/round-trip.ts';
import { startWorld, type World } from '../support/world.ts';

describe('payloads, as Chromium decodes them', function () {
  this.timeout(60_000);
  let browser: Browser;
  let world: World;
  let reader: Reader;

  before(async () => {
    world = await startWorld({ SISYPHUS_NOOP_INTERVAL: '10m' });
    await world.allow('1', 'room:1');
    browser = await launchChromium();
    const client = await chromiumClient(browser)(`${world.gateway.url}/?user=1`, ['reset']);
    reader = new Reader(client);
    await reader.upTo('<message><status>ok</status></message>');
  });

  after(async () => {
    await browser?.close();
    await world?.stop();
  });

  for (const way of WAYS) {
    it(`are what was published by ${way}: every plane, line ends, what looks like a frame, 256 kB`, async () => {
      await roundTrip([reader], world.publish[way], 'room:1', TEXTS);
    });
  }

  it('are what was published, whatever the characters', async () => {
    const property = fc.asyncProperty(fc.array(anyText, { maxLength: 30 }), async (texts) => {
      const payloads = texts.map((data) => ({ what: 'random text', data }));
      await roundTrip([reader], world.publish.fcall, 'room:1', payloads);
    });
    await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 20_000 });
  });

  it('are valid UTF-8 whatever the bytes', async () => {
    await roundTrip([reader], world.publish.plain, 'room:1', NOT_UTF8);
    const property = fc.asyncProperty(fc.array(anyBytes, { maxLength: 30 }), async (all) => {
      const payloads = all.map((data) => ({ what: `bytes ${data.toString('hex')}`, data }));
      await roundTrip([reader], world.publish.plain, 'room:1', payloads);
    });
    await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 20_000 });
  });
});
