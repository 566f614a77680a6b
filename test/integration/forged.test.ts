import { expect } from 'chai';
import { resetsOf, textsOf } from '../support/frames-of.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const CLOCK = 'sisyphus:{0}:clock';
const ROOM = 'sisyphus{0}/room/1';
const GAP = 'sisyphus{0}/@gap';
const ANCHOR = 'sisyphus{0}/@anchor';

/** What anybody may say who may PUBLISH on the gateway's topics: `head` is the id of the last message, `now` Redis's clock. */
type Forgery = (head: number, now: number) => [topic: string, text: string];

/** What the store can tell from its own. */
const FORGERIES: Record<string, Forgery> = {
  'the last id of all': () => [ROOM, '9007199254740991 9 0 - - -\nforged'],
  'the last id of all, behind the last message': (head) => [ROOM, `9007199254740991 9 ${head} - - -\nforged`],
  'an id from tomorrow, behind the last message': (head, now) => [ROOM, `${now + 9e10} 9 ${head} - - -\nforged`],
  'an id from in a second, behind the last message': (head, now) => [ROOM, `${now + 1e6} 9 ${head} - - -\nforged`],
  'an id of now, behind another message': (head, now) => [ROOM, `${now} 9 ${head - 1} - - -\nforged`],
  'a message behind one from the future': (_head, now) => [ROOM, `${now} 9 ${now + 5} - - -\nforged`],
  'a negative revision': (head, now) => [ROOM, `${now} -1 ${head} - - -\nforged`],
  'a revision without end': (head, now) => [ROOM, `${now} Infinity ${head} - - -\nforged`],
  'no envelope at all': () => [ROOM, 'forged'],
  'an empty text': () => [ROOM, ''],
  'a new life': () => [GAP, 'born 5'],
  'a new life in the future': () => [GAP, 'born 9007199254740991'],
  'a gap': (head, now) => [GAP, `unrecorded ${head} ${now}`],
  'a fork in the future': (head) => [GAP, `forked ${head} 9007199254740990 room:1`],
  'no gap at all': () => [GAP, 'something'],
  'an anchor in the future': () => [ANCHOR, '9007199254740991 somebody life:5'],
  'an anchor in the past': () => [ANCHOR, '1 somebody life:5'],
  'no anchor at all': () => [ANCHOR, 'something'],
  'a lease given back': () => ['sisyphus{0}/@recorder', 'released'],
};

describe("somebody else's PUBLISH on a topic of the gateway's", function () {
  this.timeout(30_000);
  let world: World;
  let stream: RawStream;

  before(async () => {
    world = await startWorld();
    await world.allow('1', 'room:1', 'room:2');
  });
  after(() => world.stop());

  beforeEach(async () => {
    stream = await world.openOk();
  });
  afterEach(() => world.closeStreams());

  const count = (event: string) => world.gateway.logs.filter((line) => line.event === event).length;
  const now = async () => {
    const [seconds, microseconds] = await world.client.time();
    return Number(seconds) * 1e6 + Number(microseconds);
  };

  /** Messages of all kinds, now: each comes within a second, in its order, and with an id of now. */
  async function expectAllIsWell(): Promise<void> {
    const texts: string[] = [];
    const watch = world.stopwatch();
    for (const way of ['plain', 'fcall', 'http'] as const) {
      for (const room of ['room:1', 'room:2']) {
        texts.push(`${way} ${room} ${Math.random()}`);
        await world.publish[way](room, texts.at(-1)!);
      }
    }
    await watch.within(1500, () => texts.every((text) => textsOf(stream).includes(text)));
    expect(Number(stream.lastEventId)).to.be.below(await now());
    expect(Number(await world.client.hget(CLOCK, 'last'))).to.be.below(await now());
  }

  for (const [name, forge] of Object.entries(FORGERIES)) {
    it(`(${name}) is not given, and changes nothing`, async () => {
      const head = Number((await world.publish.fcall('room:1', 'real')).id);
      await stream.until(() => textsOf(stream).includes('real'));
      const heals = count('gap_heard');
      await world.client.publish(...forge(head, await now()));
      await expectAllIsWell();
      expect(textsOf(stream)).not.to.include('forged');
      expect(resetsOf(stream)).to.deep.equal([]);
      expect(count('gap_heard') - heals).to.be.at.most(2);
      expect(count('store_flushed') + count('head_unconfirmed')).to.equal(0);
    });
  }

  it('a thousand times, costs a few looks at the store, and no message', async () => {
    const head = Number((await world.publish.fcall('room:1', 'real')).id);
    const all = Object.values(FORGERIES);
    for (let i = 0; i < 1000; i += 50) {
      const at = await now();
      const forged = Array.from({ length: 50 }, (_, j) => all[(i + j) % all.length]!(head, at));
      await Promise.all(forged.map(([topic, text]) => world.client.publish(topic, text)));
      await world.publish.plain('room:2', `plain ${i}`);
    }
    await stream.until(() => textsOf(stream).filter((text) => text?.startsWith('plain ')).length === 20, 5000);
    await expectAllIsWell();
    expect(textsOf(stream)).not.to.include('forged');
    expect(resetsOf(stream)).to.deep.equal([]);
  });

  it('is told from a message where Redis cannot be: it is given, but what follows comes all the same', async () => {
    const head = Number((await world.publish.fcall('room:1', 'real')).id);
    await stream.until(() => textsOf(stream).includes('real'));
    await world.client.publish(ROOM, `${await now()} 9 ${head} - - -\nas if it were real`);
    await stream.until(() => textsOf(stream).includes('as if it were real'));
    // The store finds that it does not have it.
    await eventually(() => count('head_unconfirmed') + count('gap_in_store') > 0, 8000);
    await expectAllIsWell();
    expect(count('head_unconfirmed')).to.be.at.most(1);
  });
});
