import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { chromiumClient, launchChromium } from '../support/chromium.ts';
import { CLIENTS, type OpenClient } from '../support/event-source-clients.ts';
import { startFakeServer } from '../support/fake-sse-server.ts';
import { startRelay } from '../support/relay.ts';
import { eventually } from '../support/wait.ts';

const TOTAL = 60;

/** Serves messages 1 to `TOTAL`, after the one that the client has. */
async function countingServer() {
  return startFakeServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://localhost');
    const last = Number(request.headers['last-event-id'] ?? searchParams.get('lastEventId') ?? 0);
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(`id: ${last}\ndata: ok\nretry: 50\n\n`);
    for (let i = last + 1; i <= TOTAL; i++) {
      response.write(`${i % 5 === 0 ? 'event: fifth\n' : ''}data: message ${i}\nid: ${i}\n\n`);
    }
  });
}

describe('the EventSource clients of the tests', () => {
  let browser: Browser;

  before(async function () {
    this.timeout(60_000);
    browser = await launchChromium();
  });

  after(() => browser.close());

  const all: [string, OpenClient][] = [
    ...Object.entries(CLIENTS),
    ['Chromium', (...args) => chromiumClient(browser)(...args)],
  ];
  for (const [name, open] of all) {
    it(`${name} comes back by itself, with the id of the last whole message`, async () => {
      const server = await countingServer();
      let cuts = 0;
      const relay = await startRelay({
        targetPort: server.port,
        // Far enough for the first frame, and then somewhere within a message.
        onLink: ({ down }) => cuts++ < 8 && down.cutAfter(330 + cuts * 37),
      });
      const client = await open(`${relay.url}/?user=1`, ['fifth']);
      try {
        const numbers = await eventually(async () => {
          // What eventsource 2 has of a block that broke off, it puts before the first one after it.
          const seen = (await client.read()).filter(({ data }) => !data.endsWith('ok'));
          return seen.length >= TOTAL && seen;
        }, 10_000);
        const expected = Array.from({ length: TOTAL }, (_, i) => {
          const event = (i + 1) % 5 === 0 ? 'fifth' : 'message';
          return { id: String(i + 1), event, data: `message ${i + 1}` };
        });
        expect(numbers).to.deep.equal(expected);
        expect(server.requests.length).to.be.greaterThan(4);
      } finally {
        await client.close();
        await relay.stop();
        await server.stop();
      }
    });
  }
});
