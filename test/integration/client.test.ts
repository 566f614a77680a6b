import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { EventSource as OfPackage } from 'eventsource';
import { EventSource as OfUndici } from 'undici';
import { Sisyphus } from '../../src/client/client.ts';
import { poll } from '../../src/client/poll.ts';
import { Front } from '../support/client/front.ts';
import { readMetrics } from '../support/metrics.ts';
import { startRelay } from '../support/relay.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const MESSAGES = 300;
/** Where the connections of a client break, at random (bytes). */
const CUTS = { least: 200, most: 4_000 };

describe('the client in Node', function () {
  this.timeout(40_000);
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_NOOP_INTERVAL: '1s', SISYPHUS_BACKLOG_LENGTH: '1000' });
    await world.allow('1', 'room:1', 'room:2', 'room:3');
  });
  after(() => world.stop());

  /** Publishes numbers from 1 on, every few milliseconds. */
  async function publishAll(count = MESSAGES, channel = 'room:1'): Promise<number[]> {
    const sent: number[] = [];
    for (let number = 1; number <= count; number++) {
      sent.push(number);
      await world.publish.fcall(channel, `${number}`, number % 3 === 0 ? 'third' : undefined);
      await pause(5);
    }
    return sent;
  }

  const isLive = (stream: Sisyphus): Promise<boolean> => eventually(() => stream.status.state === 'ok', 10_000);

  for (const [name, EventSource] of [
    ['undici', OfUndici],
    ['eventsource', OfPackage],
  ] as const) {
    it(`has everything with the EventSource of ${name}, in order and once, though its connections break at random bytes`, async () => {
      let isCutting = true;
      const cut = (): number => CUTS.least + Math.random() * (CUTS.most - CUTS.least);
      const relay = await startRelay({
        targetPort: world.gateway.port,
        onLink: ({ down }) => isCutting && down.cutAfter(Math.round(cut())),
      });
      const stream = new Sisyphus(`${relay.url}/stream`, { user: 1, channels: ['room:1'], EventSource });
      const got: number[] = [];
      let thirds = 0;
      stream.channel<number>('room:1', ({ data }) => got.push(data));
      stream.event('third', () => thirds++);
      try {
        await isLive(stream);
        const sent = await publishAll();
        isCutting = false;
        relay.cutAll();
        await eventually(() => got.length >= sent.length, 6_000);
        await pause(100);
        expect(got).to.deep.equal(sent);
        expect(thirds).to.equal(MESSAGES / 3);
        expect(relay.accepted).to.be.above(1);
      } finally {
        stream.close();
        await relay.stop();
      }
    });

    it(`stops with the EventSource of ${name} where the gateway says failure, and says why`, async () => {
      const stream = new Sisyphus(`${world.gateway.url}/stream`, { EventSource });
      try {
        await eventually(() => stream.status.state === 'failure');
        expect(stream.status).to.deep.equal({ state: 'failure', reason: 'missing' });
      } finally {
        stream.close();
      }
    });

    it(`joins state and stream with the EventSource of ${name}: nothing is missing, though it is published meanwhile`, async () => {
      const stream = new Sisyphus(`${world.gateway.url}/stream`, { user: 1, channels: ['room:2'], EventSource });
      const database = new Set<number>();
      const shown = new Set<number>();
      stream.load(
        'room:2',
        async () => {
          const state = [...database];
          await pause(50);
          return state;
        },
        (state) => {
          shown.clear();
          for (const number of state) shown.add(number);
        },
      );
      stream.channel<number>('room:2', ({ data }) => shown.add(data));
      try {
        for (let number = 1; number <= 100; number++) {
          database.add(number);
          await world.publish.fcall('room:2', `${number}`);
          await pause(2);
        }
        await eventually(() => shown.size === database.size);
        expect([...shown].sort((one, other) => one - other)).to.deep.equal([...database]);
      } finally {
        stream.close();
      }
    });
  }

  it('is served as modules that pages of any origin may import, and that a browser asks for again only if they have changed', async () => {
    for (const path of ['/client.js', '/client/poll.js']) {
      const first = await fetch(`${world.gateway.url}${path}`);
      expect(first.status).to.equal(200);
      expect(first.headers.get('Content-Type')).to.match(/^text\/javascript/);
      expect(first.headers.get('Access-Control-Allow-Origin')).to.equal('*');
      expect(await first.text()).to.match(/export\s*\{/);
      const etag = first.headers.get('ETag')!;
      const second = await fetch(`${world.gateway.url}${path}`, { headers: { 'If-None-Match': etag } });
      expect(second.status).to.equal(304);
      await second.text();
    }
    for (const path of ['/client/other.js', '/client/client.d.ts', '/client/..%2fcli.js'])
      expect((await fetch(`${world.gateway.url}${path}`)).status, path).to.equal(404);
  });

  it('goes round a way that buffers by polls, and back when it does no more: nothing is lost or doubled', async () => {
    const front = new Front({ gateway: world.gateway.port });
    front.mood = 'buffer';
    const address = `http://127.0.0.1:${await front.start()}/stream`;
    const options = { user: 1, channels: ['room:3'], EventSource: OfUndici };
    const through = [poll({ patience: 300, retry: 1_000 })];
    const stream = new Sisyphus(address, { ...options, through });
    const got: number[] = [];
    stream.channel<number>('room:3', ({ data }) => got.push(data));
    try {
      const watch = world.stopwatch();
      await isLive(stream);
      expect(watch.elapsed, 'live after one round trip by polls').to.be.below(2_000);
      const publishing = publishAll(MESSAGES, 'room:3');
      await eventually(() => got.length > 50, 5_000);
      front.mood = 'pass';
      const sent = await publishing;
      await eventually(() => got.length >= sent.length, 6_000);
      // By a stream again: it comes at once, and no poll waits.
      await eventually(async () => {
        const metrics = await readMetrics(world.gateway.url);
        return metrics.get('sisyphus_streams_open{transport="stream"}') === 1;
      });
      expect(got).to.deep.equal(sent);
      expect(stream.status.state).to.equal('ok');
    } finally {
      stream.close();
      await front.stop();
    }
  });
});
