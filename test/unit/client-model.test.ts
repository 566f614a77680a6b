import fc from 'fast-check';
import { Sisyphus } from '../../src/client/client.ts';
import { Random } from '../fault/random.ts';
import { FakePage, type FakeSource } from '../support/client/fake-page.ts';

const CHANNELS = ['room:1', 'room:2'];

interface Published {
  id: number;
  channel: string;
}

/** A gateway, and the database that is written before each message is published. */
class World {
  readonly page: FakePage;
  readonly #random: () => number;
  readonly #published: Published[] = [];
  /** Messages of these channels up to these ids are no longer kept. */
  readonly #trimmed = new Map<string, number>();
  /** How far each source has been served. */
  readonly #served = new Map<FakeSource, number>();
  #clock = 1_000;

  constructor(page: FakePage, random: () => number) {
    this.page = page;
    this.#random = random;
  }

  publish(channel: string): void {
    this.#published.push({ id: ++this.#clock, channel });
  }

  /** One more message, and all that was published on the channel is lost: the streams that have not had it are told. */
  lose(channel: string): void {
    this.publish(channel);
    this.#trimmed.set(channel, this.#clock);
  }

  database(channels: string[]): Published[] {
    return this.#published.filter(({ channel }) => channels.includes(channel));
  }

  /** Serves the open sources: `ok`, resets, and one message after the other. */
  serve(): void {
    for (const source of this.page.open) {
      if (!this.#served.has(source)) {
        if (this.#random() < 0.3) continue;
        const from = Number(source.url.searchParams.get('lastEventId') ?? this.#clock);
        this.#served.set(source, from);
        source.ok(`${from}`);
      }
      let position = this.#served.get(source)!;
      for (const channel of CHANNELS) {
        const trimmed = this.#trimmed.get(channel) ?? 0;
        const lost = this.#published.some((one) => one.channel === channel && one.id > position && one.id <= trimmed);
        if (lost) source.say({ reset: { channel, reason: 'trimmed' } }, `${position}`);
      }
      for (const { id, channel } of this.#published.filter((one) => one.id > position)) {
        if (this.#random() < 0.2) break;
        position = id;
        if (id > (this.#trimmed.get(channel) ?? 0)) source.message(channel, `${id}`);
      }
      // A source that was closed meanwhile says no more than it had.
      this.#served.set(source, position);
    }
  }
}

/** What the page shows: the state as it was loaded, and the messages behind it. */
class Shown {
  readonly ids = new Map(CHANNELS.map((channel) => [channel, new Set<number>()]));
  problem: string | undefined;
  #last = 0;

  apply(state: Published[], channels: string[]): void {
    for (const channel of channels) this.ids.set(channel, new Set());
    for (const { id, channel } of state) this.ids.get(channel)?.add(id);
  }

  add(channel: string, id: number): void {
    this.ids.get(channel)?.add(id);
  }

  /** Frames come in the order of ids, and nothing twice. */
  take(id: number): void {
    if (id <= this.#last) this.problem ??= `${id} came after ${this.#last}`;
    this.#last = id;
  }
}

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('publish' as const), channel: fc.constantFrom(...CHANNELS) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('lose' as const), channel: fc.constantFrom(...CHANNELS) }) },
    { weight: 6, arbitrary: fc.constant({ do: 'serve' as const }) },
    { weight: 2, arbitrary: fc.constant({ do: 'cut' as const }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom({ do: 'online' as const }, { do: 'freeze' as const }, { do: 'cache' as const }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 6_000 }) }) },
  ),
  { maxLength: 60, size: 'max' },
);

type Step = typeof steps extends fc.Arbitrary<(infer One)[]> ? One : never;

async function act(step: Step, world: World): Promise<void> {
  const { page } = world;
  switch (step.do) {
    case 'publish':
      world.publish(step.channel);
      break;
    case 'lose':
      world.lose(step.channel);
      break;
    case 'serve':
      world.serve();
      break;
    case 'cut':
      for (const source of page.open) source.end();
      break;
    case 'online':
      page.dispatch('online');
      break;
    case 'freeze':
      page.freeze(60_000);
      page.dispatch('resume');
      break;
    case 'cache':
      page.dispatch('pagehide');
      page.freeze(1_000);
      page.dispatch('pageshow');
      break;
    case 'wait':
      await page.pass(step.ms);
  }
  await page.pass();
}

describe('whatever happens between a gateway and its client', () => {
  it('in the end the page shows what the database has, and no frame came twice or out of order', async function () {
    this.timeout(30_000);
    const property = fc.asyncProperty(steps, fc.integer(), async (all, seed) => {
      const numbers = new Random(seed);
      const random = (): number => numbers.next();
      const page = new FakePage();
      page.install(random);
      const world = new World(page, random);
      const shown = new Shown();
      const stream = new Sisyphus('/stream', { EventSource: page.EventSource });
      try {
        stream.on('error', () => {});
        stream.on('frame', (frame) => frame.type === 'message' && shown.take(Number(frame.id)));
        for (const channel of CHANNELS) stream.channel(channel, ({ id }) => shown.add(channel, Number(id)));
        stream.load(
          CHANNELS,
          async ({ channels }) => {
            await new Promise((resolve) => setTimeout(resolve, random() * 500));
            if (random() < 0.2) throw new Error('502');
            const state = world.database(channels);
            await new Promise((resolve) => setTimeout(resolve, random() * 3_000));
            return state;
          },
          (state, channels) => shown.apply(state, channels),
        );
        for (const step of all) await act(step, world);
        for (let i = 0; i < 150 && !isRight(); i++) {
          world.serve();
          await page.pass(2_000);
        }
        if (shown.problem !== undefined) throw new Error(shown.problem);
        if (!isRight()) throw new Error('the page does not show what the database has');
      } finally {
        stream.close();
        page.restore();
      }

      function isRight(): boolean {
        const texts = CHANNELS.map((channel) => [...shown.ids.get(channel)!].sort((one, other) => one - other).join());
        return CHANNELS.every(
          (channel, i) =>
            world
              .database([channel])
              .map(({ id }) => id)
              .join() === texts[i],
        );
      }
    });
    await fc.assert(property, { numRuns: Number(process.env.CLIENT_RUNS ?? 800) });
  });
});
