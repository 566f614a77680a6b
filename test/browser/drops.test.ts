import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { chromiumClient, launchChromium } from '../support/chromium.ts';
import { channelNames, compareRecords, DroppedClient, publishSteadily, SECONDS } from '../support/drops.ts';
import { startWorld, type World } from '../support/world.ts';

const TABS = 3;

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

  it(`has what was published, though its connections break at random bytes under 200 messages a second for ${SECONDS} s`, async () => {
    const opening = Array.from({ length: TABS }, (_, tab) =>
      DroppedClient.open(`tab ${tab}`, chromiumClient(browser), world.gateway.port, '/?user=1', 800_000),
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
