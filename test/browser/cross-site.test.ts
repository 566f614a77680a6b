import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { startWorld, type World } from '../support/world.ts';

interface Request {
  url: string;
  method: string;
  headers: Record<string, string>;
  body?: string;
  mode?: RequestMode;
}

/** Runs in the page: the status that its code can read, or `blocked` if the browser keeps the answer from it. */
async function ask({ url, ...request }: Request): Promise<number | string> {
  try {
    const response = await fetch(url, { ...request, credentials: 'include' });
    void response.body?.cancel();
    return response.status;
  } catch {
    return 'blocked';
  }
}

describe('Chromium, in a page of another origin', function () {
  this.timeout(60_000);
  let browser: Browser;
  let world: World;
  let servers: Server[];
  let origins: string[];

  before(async () => {
    servers = [0, 1].map(() =>
      createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>')),
    );
    for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
    origins = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    world = await startWorld({ SISYPHUS_ORIGINS: origins[0]! });
    browser = await launchChromium();
  });

  after(async () => {
    await browser?.close();
    await world?.stop();
    for (const server of servers) server.close();
  });

  async function openPage(origin: string): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`${origin}/`);
    return page;
  }

  const reading = (): Request => {
    const headers = { Authorization: 'Bearer x', 'Last-Event-ID': '5' };
    return { url: `${world.gateway.url}/?user=1`, method: 'GET', headers };
  };
  const publishing = (type: string, secret: boolean): Request => ({
    url: `${world.gateway.url}/publish`,
    method: 'POST',
    headers: { 'Content-Type': type, ...(secret && { Authorization: `Bearer ${PUBLISH_SECRET}` }) },
    body: '{"channel":"room:1","data":"x"}',
  });

  it('reads if the origin is listed, with a preflight, and never publishes', async () => {
    const page = await openPage(origins[0]!);
    expect(await page.evaluate(ask, reading())).to.equal(200);
    expect(await page.evaluate(ask, publishing('application/json', true))).to.equal('blocked');
    // No preflight: the request arrives, and is refused by the gateway, which says why.
    expect(await page.evaluate(ask, publishing('text/plain', false))).to.equal(403);
    await world.gateway.waitForLog(({ code }) => code === 'cross_site');
    await page.close();
  });

  it('reads nothing and publishes nothing if the origin is not listed', async () => {
    const page = await openPage(origins[1]!);
    expect(await page.evaluate(ask, reading())).to.equal('blocked');
    expect(await page.evaluate(ask, publishing('application/json', true))).to.equal('blocked');
    const before = world.gateway.logs.filter(({ code }) => code === 'cross_site').length;
    const simple: Request = { ...publishing('text/plain', false), mode: 'no-cors' };
    await page.evaluate(ask, simple);
    await world.gateway.waitForLog(
      () => world.gateway.logs.filter(({ code }) => code === 'cross_site').length > before,
    );
    expect(await world.client.exists('sisyphus:{0}:channel:room:1:msg_id')).to.equal(0);
    await page.close();
  });
});
