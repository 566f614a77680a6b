import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { eventually } from '../wait.ts';
import type { Stage } from './stage.ts';

export interface Breakage {
  name: string;
  /** The page that it is done to; those of one page come one after the other. */
  page: string;
  /** For `window.begin` of the page. */
  client?: Record<string, unknown>;
  /** Breaks something, and resolves when the line is there again. */
  act(stage: Stage): Promise<void>;
  /** How long it may take from then on until the page has everything (ms); a dead line is silent for three seconds before it is one. */
  within?: number;
  /** What the page must have said meanwhile. */
  says?: string;
}

const NOTICED = 3_000 + 1_000;
/** What the client promises, and what a machine with other work may take (ms). */
export const SOON = 5_000 + 1_000;
/** Behind the frames that a page has, somewhere within the next one. */
const WITHIN_A_FRAME = 40;

const mood =
  (name: Stage['front']['mood'], milliseconds: number) =>
  async ({ front, relay }: Stage): Promise<void> => {
    front.mood = name;
    relay.cutAll();
    await pause(milliseconds);
    front.mood = 'pass';
  };

/** Of the page alone: the others are of all pages at once, in the test. */
export const BREAKAGES: Breakage[] = [
  { page: 'cut', name: 'its connections end', act: async ({ relay }) => relay.cutAll('end'), says: 'error lost' },
  {
    page: 'cut',
    name: 'its connections are reset',
    act: async ({ relay }) => relay.cutAll('reset'),
    says: 'error lost',
  },
  {
    page: 'cut',
    name: 'its connection ends within a frame, three times',
    act: async ({ relay }) => {
      for (let i = 0; i < 3; i++) {
        for (const { down } of relay.links) down.cutAfter(WITHIN_A_FRAME + i);
        await pause(1_500);
      }
    },
  },
  {
    page: 'half-open',
    name: 'its connection is half-open: nothing passes, and nobody says so',
    act: async ({ relay }) => {
      for (const link of relay.links) link.silence();
    },
    within: NOTICED + SOON,
    says: 'error silent',
  },
  {
    page: 'swallowed',
    name: 'its line swallows everything for nine seconds, new connections as well',
    act: async ({ relay }) => {
      relay.silent = true;
      for (const link of relay.links) link.silence();
      await pause(9_000);
      relay.silent = false;
    },
    says: 'error silent',
  },
  {
    page: 'refused',
    name: 'its connections are refused for three seconds',
    act: async ({ relay }) => {
      relay.refusing = true;
      relay.cutAll();
      await pause(3_000);
      relay.refusing = false;
    },
  },
  { page: 'refused', name: 'a proxy answers 502', act: mood('bad gateway', 2_000) },
  { page: 'answered', name: 'something answers with a page', act: mood('page', 2_000) },
  { page: 'answered', name: 'something answers 204', act: mood('nothing', 2_000) },
  {
    page: 'offline',
    name: 'the browser is offline for ten seconds',
    act: async ({ context }) => {
      await context.setOffline(true);
      await pause(10_000);
      await context.setOffline(false);
    },
    says: 'error offline',
  },
  {
    page: 'busy',
    name: 'it goes offline and online eight times',
    act: async ({ context }) => {
      for (let i = 0; i < 16; i++) {
        await context.setOffline(i % 2 === 0);
        await pause(i * 20);
      }
    },
  },
  {
    page: 'frozen',
    name: 'it is frozen for six seconds',
    act: async (stage) => {
      const devtools = await stage.devtools();
      await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
      await pause(6_000);
      await devtools.send('Page.setWebLifecycleState', { state: 'active' });
    },
  },
  {
    page: 'busy',
    name: 'it is left, and found again in the back/forward cache',
    act: async (stage) => {
      await stage.visit('/other');
      await pause(1_000);
      // It waits for no load: a page from the cache has none.
      await stage.page.goBack({ waitUntil: 'commit' });
      expect(await stage.page.evaluate(() => window.wasCached), 'from the cache').to.equal(true);
    },
    says: 'connecting',
  },
  {
    page: 'busy',
    name: 'its main thread is busy for three seconds',
    act: async ({ page }) => {
      await page.evaluate(() => {
        for (const end = performance.now() + 3_000; performance.now() < end; );
      });
    },
  },
  {
    page: 'clock',
    name: 'the clock is set back by an hour, and the line is half-open',
    act: async ({ page, relay }) => {
      await page.evaluate(() => {
        const { now } = Date;
        Date.now = () => now() - 3_600_000;
      });
      for (const link of relay.links) link.silence();
    },
    within: NOTICED + SOON,
  },
  {
    page: 'buffers',
    name: 'its way buffers, and later does not',
    client: { polls: true },
    act: async (stage) => {
      stage.front.mood = 'buffer';
      stage.relay.cutAll();
      await pause(4_000);
      await stage.isLive();
      const { length } = await stage.got();
      // By polls, not only when the way is open again.
      await eventually(async () => (await stage.got()).length > length + 2);
      stage.front.mood = 'pass';
    },
  },
  {
    page: 'trimmed',
    name: 'it is away for so long that its backlog is gone',
    client: { load: true, spread: 1_000 },
    act: async (stage) => {
      stage.relay.refusing = true;
      stage.relay.cutAll();
      const { sent } = stage;
      while (stage.sent < sent + 40) await pause(50);
      stage.relay.refusing = false;
    },
    says: 'reset trimmed',
  },
];
