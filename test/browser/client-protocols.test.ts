import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { Browser, Page } from 'playwright-core';
import { Rt, type RtEvent } from '../../src/client/rt.ts';
import { Sock } from '../../src/client/sock.ts';
import { launchChromium, openPage } from '../support/chromium.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { sendTo } from '../support/sock-it.ts';
import { eventually } from '../support/wait.ts';

const INBOX = 'sisyphus:{0}:inbox';
const SETTINGS = {
  SISYPHUS_PROTOCOLS: 'rt,sock.it',
  SISYPHUS_PUBLIC_CHANNELS: 'news:*,pic:*',
  SISYPHUS_BACKLOG_LENGTH: '10000',
  SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
  SISYPHUS_DRAIN: '300ms',
};
/** How long the storm lasts (ms), and between two messages. */
const STORM = 3000;
const PAUSE = 15;

/** What a page has been told. */
interface Told {
  events: RtEvent[];
  /** The messages of each session, in order, by its name. */
  sessions: [string, string[]][];
}

/** A page with both clients, or the same in Node. */
interface Client {
  name: string;
  subscribe(...channels: string[]): Promise<void>;
  send(text: string): Promise<void>;
  read(): Promise<Told>;
  close(): Promise<void>;
}

/** Runs in the page. The same is written in TypeScript below. */
const SCRIPT = `
  import { Rt } from '/client/rt.js';
  import { Sock } from '/client/sock.js';
  const told = { events: [], sessions: [] };
  const rt = new Rt('/rt');
  for (const name of ['message', 'reset', 'denied']) rt.on(name, (event) => told.events.push(event));
  const sock = new Sock('/sock.it/');
  sock.onopen = ({ session }) => told.sessions.push([session, []]);
  sock.onmessage = ({ data }) => told.sessions.at(-1)[1].push(data);
  window.client = { told, rt, sock };
`;

/** A page with 200 pictures, each of them with a channel. */
const PICTURES = `
  document.body.innerHTML = Array.from(
    { length: 200 },
    (_, i) => '<div data-channel="pic:' + i + '" style="height: 100px">' + i + '</div>',
  ).join('');
  const distance = (element) => Math.abs(element.getBoundingClientRect().top + 50 - innerHeight / 2);
  const getIds = () => {
    const nearest = [...document.querySelectorAll('[data-channel]')].sort((one, other) => distance(one) - distance(other));
    return nearest.map((element) => element.dataset.channel);
  };
  client.rt.nearestSubscriptions(getIds, { idle: 500, max: 10 });
  // Scrolls until it is told to stop, in each frame.
  window.scrollUntilStopped = (to) => {
    let frames = 0;
    window.isStopped = false;
    const step = () => {
      scrollTo(0, window.isStopped ? to : to - (++frames % 2));
      if (!window.isStopped) requestAnimationFrame(step);
    };
    step();
  };
`;

interface InPage {
  client: { told: Told; rt: Rt; sock: Sock };
}

async function inChromium(browser: Browser, url: string): Promise<Client & { page: Page }> {
  const page = await openPage(browser, url);
  await page.addScriptTag({ type: 'module', content: SCRIPT });
  await page.waitForFunction('window.client !== undefined');
  return {
    name: 'Chromium',
    page,
    subscribe: (...channels) =>
      page.evaluate((names) => {
        for (const name of names) (window as unknown as InPage).client.rt.subscribe(name);
      }, channels),
    send: (text) => page.evaluate((data) => (window as unknown as InPage).client.sock.send(data), text),
    read: () => page.evaluate(() => (window as unknown as InPage).client.told),
    close: () => page.close(),
  };
}

async function inNode(url: string): Promise<Client> {
  const told: Told = { events: [], sessions: [] };
  const rt = new Rt(`${url}/rt`);
  for (const name of ['message', 'reset', 'denied'] as const) rt.on(name, (event) => told.events.push(event));
  const sock = new Sock(`${url}/sock.it/`);
  sock.onopen = ({ session }) => told.sessions.push([session, []]);
  sock.onmessage = ({ data }) => told.sessions.at(-1)![1].push(data);
  return {
    name: 'Node',
    subscribe: async (...channels) => {
      for (const channel of channels) rt.subscribe(channel);
    },
    send: async (text) => sock.send(text),
    read: async () => told,
    close: async () => {
      rt.close();
      sock.close();
    },
  };
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i + 1));

describe('the clients of the two old protocols', function () {
  this.timeout(60_000);
  let redis: RedisServer;
  let commands: Redis;
  let gateway: Gateway;
  let relay: Relay;
  let browser: Browser;
  let clients: Client[];
  let page: Page;
  /** After how many bytes of an answer a connection is cut. */
  let cuts: (() => number) | undefined;

  async function start(): Promise<void> {
    gateway = await startGateway({ REDIS_URL: redis.url, ...SETTINGS });
    await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200, 10_000);
    relay?.retarget(gateway.port);
  }

  before(async () => {
    redis = await startRedis();
    commands = redis.client();
    await start();
    relay = await startRelay({
      targetPort: gateway.port,
      onLink: ({ down }) => cuts && down.cutAfter(cuts()),
    });
    browser = await launchChromium();
  });

  after(async () => {
    await browser?.close();
    await relay?.stop();
    await gateway?.stop();
    await redis?.stop();
  });

  beforeEach(async () => {
    const chromium = await inChromium(browser, relay.url);
    page = chromium.page;
    clients = [chromium, await inNode(relay.url)];
  });

  afterEach(async () => {
    cuts = undefined;
    await Promise.all(clients.map((client) => client.close()));
  });

  async function publish(channel: string, text: string): Promise<void> {
    await commands.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', channel, text);
  }

  /** The name of the session that a client is in, when it has had so many. */
  async function sessionOf(client: Client, count = 1): Promise<string> {
    const [session] = await eventually(async () => {
      const { sessions } = await client.read();
      return sessions.length >= count && sessions.at(-1)!;
    }, 10_000);
    return session;
  }

  /** What the application has of a session. */
  async function inboxOf(session: string): Promise<string[]> {
    const entries = await commands.xrange(INBOX, '-', '+');
    return entries.filter(([, fields]) => fields[5] === session).map(([, fields]) => fields[9]!);
  }

  /** Publishes and sends in all directions until the time is over; answers how many times. */
  async function storm(channels: string[], sessions: string[], until: number): Promise<number> {
    let count = 0;
    while (performance.now() < until) {
      const text = String(++count);
      for (const channel of channels) await publish(channel, text);
      for (const client of clients) await client.send(text);
      for (const session of sessions)
        await commands.call('FCALL', 'sisyphus_poll_send', '1', 'sisyphus:{0}', session, text);
      await pause(PAUSE);
    }
    return count;
  }

  /** What came of the channel. */
  async function messagesOf(client: Client, channel: string): Promise<string[]> {
    const { events } = await client.read();
    return events
      .filter((event) => event.channel === channel)
      .map((event) => (event.type === 'message' ? String(event.data) : event.type));
  }

  it('have everything once and in order, though connections are cut in answers, and a gateway is killed', async () => {
    const sessions = await Promise.all(clients.map((client) => sessionOf(client)));
    for (const client of clients) await client.subscribe('news:1');
    cuts = () => 40 + Math.floor(Math.random() * 4000);
    relay.cutAll();
    const storming = storm(['news:1', 'news:2'], sessions, performance.now() + STORM);
    await pause(STORM / 4);
    for (const client of clients) await client.subscribe('news:2');
    gateway.kill('SIGKILL');
    await start();
    const count = await storming;
    const { accepted } = relay;
    cuts = undefined;
    relay.cutAll();
    expect(accepted, 'connections that were cut').to.be.above(8);
    for (const [i, client] of clients.entries()) {
      const whole = async (name: string, read: () => Promise<string[]>): Promise<void> => {
        await eventually(async () => (await read()).length >= count, 5_000, 50).catch(() => undefined);
        expect(await read(), `${client.name}: ${name}`).to.deep.equal(numbers(count));
      };
      await whole('news:1', () => messagesOf(client, 'news:1'));
      await whole('news:2', () => messagesOf(client, 'news:2'));
      await whole('to the page', async () => (await client.read()).sessions[0]![1]);
      await whole('to the application', () => inboxOf(sessions[i]!));
      expect((await client.read()).sessions).to.have.length(1);
    }
  });

  it('are told if Redis loses its memory, and go on', async () => {
    for (const client of clients) {
      await client.subscribe('news:3');
      await sessionOf(client);
    }
    await publish('news:3', 'before');
    for (const client of clients) await eventually(async () => (await messagesOf(client, 'news:3')).length === 1);
    await eventually(async () => (await gateway.status()).streams === 2);
    await commands.flushall();
    for (const client of clients) {
      await eventually(async () => (await messagesOf(client, 'news:3')).at(-1) === 'reset', 5_000);
    }
    await publish('news:3', 'behind');
    for (const client of clients) {
      await client.send('hello again');
      const session = await sessionOf(client, 2);
      expect((await sendTo(gateway.url, session, ['welcome'])).status).to.equal(200);
      await eventually(async () => (await client.read()).sessions[1]![1].length === 1);
      expect((await client.read()).sessions[1]![1]).to.deep.equal(['welcome']);
      await eventually(async () => (await inboxOf(session)).length === 1);
      const told = await messagesOf(client, 'news:3');
      expect(told[0]).to.equal('before');
      expect(told.slice(1).filter((text) => text !== 'reset')).to.deep.equal(['behind']);
    }
  });

  it('go on as soon as the browser is online again', async () => {
    const [client] = clients as [Client];
    await client.subscribe('news:4');
    const session = await sessionOf(client);
    await page.context().setOffline(true);
    // What is open stays open in a browser that plays to be offline, and what is cut is sent again on a new connection.
    relay.refusing = true;
    relay.cutAll();
    await publish('news:4', 'meanwhile');
    await sendTo(gateway.url, session, ['meanwhile']);
    await client.send('from there');
    // Until it tries seldom.
    await pause(2500);
    expect(await messagesOf(client, 'news:4')).to.deep.equal([]);
    relay.refusing = false;
    await page.context().setOffline(false);
    await eventually(async () => (await messagesOf(client, 'news:4')).length === 1, 1000);
    await eventually(async () => (await client.read()).sessions[0]![1].length === 1, 1000);
    await eventually(async () => (await inboxOf(session)).length === 1, 1000);
  });

  it('have what came while the page was frozen, and its connections ended', async () => {
    const [client] = clients as [Client];
    await client.subscribe('news:5');
    const session = await sessionOf(client);
    const cdp = await page.context().newCDPSession(page);
    await eventually(async () => (await gateway.status()).streams === 1);
    await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
    relay.cutAll();
    await publish('news:5', 'meanwhile');
    await sendTo(gateway.url, session, ['meanwhile']);
    await pause(200);
    await cdp.send('Page.setWebLifecycleState', { state: 'active' });
    await eventually(async () => (await messagesOf(client, 'news:5')).length === 1, 3000);
    await eventually(async () => (await client.read()).sessions[0]![1].length === 1, 3000);
    expect(await messagesOf(client, 'news:5')).to.deep.equal(['meanwhile']);
    expect((await client.read()).sessions[0]![1]).to.deep.equal(['meanwhile']);
  });

  it('follow as many channels as a poll may have', async () => {
    const channels = Array.from({ length: 1000 }, (_, i) => `news:many-${i}`);
    for (const client of clients) await client.subscribe(...channels);
    await publish('news:many-999', 'last');
    for (const client of clients) {
      await eventually(async () => (await messagesOf(client, 'news:many-999')).length === 1, 10_000);
    }
    await publish('news:many-0', 'first');
    for (const client of clients) {
      await eventually(async () => (await messagesOf(client, 'news:many-0')).length === 1, 10_000);
    }
  });

  it('follow what is near on a page that scrolls, and go on where a channel was left', async () => {
    await page.addScriptTag({ type: 'module', content: PICTURES });
    const height = await page.evaluate(() => innerHeight);
    /** The ten pictures in the middle of what is seen if the page is scrolled so far. */
    const near = (top: number): string[] => {
      const middle = (top + height / 2) / 100;
      const first = Math.max(0, Math.round(middle - 5));
      return Array.from({ length: 10 }, (_, i) => `pic:${first + i}`);
    };
    const round = async (text: string): Promise<void> => {
      for (let i = 0; i < 200; i++) await publish(`pic:${i}`, text);
    };
    const told = async (text: string): Promise<string[]> => {
      const { events } = await clients[0]!.read();
      return events.flatMap((event) => (event.type === 'message' && event.data === text ? [event.channel] : [])).sort();
    };
    const areTold = async (text: string, channels: string[]): Promise<void> => {
      await eventually(async () => (await told(text)).length >= channels.length, 5_000).catch(() => undefined);
      expect(await told(text)).to.deep.equal([...channels].sort());
    };
    const isFollowed = (channel: string): Promise<boolean> =>
      page.evaluate((name) => (window as unknown as InPage).client.rt.revision(name) !== undefined, channel);
    await round('one');
    await areTold('one', near(0));
    await page.evaluate('scrollUntilStopped(4000)');
    await pause(700);
    await round('two');
    await areTold('two', near(0));
    await page.evaluate('isStopped = true');
    await eventually(() => isFollowed(near(4000)[0]!));
    // What is kept of a channel comes when it is followed for the first time.
    await areTold('two', [...near(0), ...near(4000)]);
    await round('three');
    await areTold('three', near(4000));
    await page.evaluate('scrollTo(0, 0)');
    await eventually(() => isFollowed(near(0)[0]!));
    await areTold('three', [...near(0), ...near(4000)]);
    const { events } = await clients[0]!.read();
    const counts = near(0).map((channel) => events.filter((event) => event.channel === channel).length);
    expect(counts).to.deep.equal(near(0).map(() => 3));
  });
});
