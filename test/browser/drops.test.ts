import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { chromiumClient, launchChromium, openPage } from '../support/chromium.ts';
import { channelNames, compareRecords, DroppedClient, publishSteadily, SECONDS } from '../support/drops.ts';
import { startRelay } from '../support/relay.ts';
import { startWorld, type World } from '../support/world.ts';

const TABS = 3;
/**
 * Over plain HTTP, Chromium takes a head that breaks off for a whole one, and an EventSource without a content type gives
 * up for good (measured with version 156: dead after a cut at bytes 1 to 46). The head goes out in one write, and the
 * type is the first thing in it.
 */
const CUTS = { least: 64, most: 800_000 };

/** Runs in the page: what an EventSource means to do after its first connection has ended. */
function stateAfterError(url: string): Promise<string> {
  return new Promise((resolve) => {
    const source = new EventSource(url);
    source.onerror = () => {
      resolve(source.readyState === EventSource.CONNECTING ? 'will come back' : 'is closed for good');
      source.close();
    };
  });
}

describe("Chromium's EventSource", function () {
  this.timeout((SECONDS + 90) * 1_000);
  let browser: Browser;
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_BACKLOG_LENGTH: '100000' });
    await world.allow('1', ...channelNames());
    browser = await launchChromium();
  });

  after(async () => {
    await browser?.close();
    await world?.stop();
  });

  it('comes back wherever the head broke, once it knows the type of what it reads', async () => {
    let bytes = CUTS.least;
    const relay = await startRelay({ targetPort: world.gateway.port, onLink: ({ down }) => down.cutAfter(bytes) });
    try {
      const page = await openPage(browser, relay.url);
      for (; bytes < 230; bytes += 9) {
        // Browsers open connections before they need them.
        for (const { down } of relay.links) down.cutAfter(bytes);
        const state = await page.evaluate(stateAfterError, `${relay.url}/?user=1`);
        expect(state, `cut after ${bytes} bytes`).to.equal('will come back');
      }
      await page.close();
    } finally {
      await relay.stop();
    }
  });

  it(`has what was published, though its connections break at random bytes under 200 messages a second for ${SECONDS} s`, async () => {
    const opening = Array.from({ length: TABS }, (_, tab) =>
      DroppedClient.open(`tab ${tab}`, chromiumClient(browser), world.gateway.port, '/?user=1', CUTS),
    );
    const clients = await Promise.all(opening);
    try {
      const sent = await publishSteadily(world);
      for (const client of clients) {
        compareRecords(client.name, await client.settle(sent.length, 25_000), sent);
        expect(client.cuts, `${client.name}: cuts`).to.be.greaterThan(0);
      }
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  });
});
