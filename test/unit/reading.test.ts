import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Connection } from '../../src/connection/connection.ts';
import { Counters } from '../../src/counters.ts';
import { Hub } from '../../src/hub/hub.ts';
import { createLogger } from '../../src/logger.ts';
import type { Delivery } from '../../src/message/delivery.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { Additions } from '../../src/reading/additions.ts';
import type { Channels } from '../../src/reading/channels.ts';
import { Reading } from '../../src/reading/reading.ts';
import type { ReadingOwner } from '../../src/reading/reading-owner.ts';
import type { Start } from '../../src/reading/start.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { publishOne } from '../contract/store.ts';
import { eventually } from '../support/wait.ts';

const counters = new Counters();
const retention = () => ({ length: 100, ttl: 3_600_000 });

/** Reads channels that anybody may read. */
class PublicOwner implements ReadingOwner {
  readonly followed: string[];
  readonly given: string[] = [];
  readonly additions = new Additions();
  readonly reading: Reading;
  position = BEGINNING;
  /** Whether the reading has to call `renew` before it goes on. */
  isStale = false;
  readonly #hub: Hub;

  constructor(store: MemoryStore, hub: Hub, channels: string[]) {
    this.#hub = hub;
    this.followed = channels;
    const isStale = (): boolean => this.isStale;
    const choice: Channels = {
      isQuiet: true,
      get isStale() {
        return isStale();
      },
      followed: channels,
      denied: [],
      allows: () => true,
      owedOf: (channel, position) => ({ channel, after: position }),
    };
    const connection: Connection = {
      closed: false,
      transport: 'stream',
      lastSent: 0,
      onClose: () => undefined,
      open: (status, position) => this.#note(status, position),
      message: ({ message }: Delivery) => this.#note(message.payload.toString(), message.id),
      reset: (channel, reason, position) => this.#note(`${reason} ${channel}`, position),
      denied: (channel, position) => this.#note(`denied ${channel}`, position),
      noop: (position) => this.#note('noop', position),
      drained: async () => undefined,
      acknowledged: () => undefined,
      close: () => undefined,
    };
    const options = { hub, backlog: store.backlog, connection, counters, recordsPlain: () => false, maxBuffer: 1000 };
    this.reading = new Reading(this, choice, this.additions, options);
  }

  open(start: Start): Promise<void> {
    return this.reading.open(start, {
      follow: () => this.#hub.follow(this, this.followed),
      settle: async () => undefined,
      owedAfter: (position) => this.followed.map((channel) => ({ channel, after: position })),
    });
  }

  /** From now on. */
  add(channel: string): void {
    this.followed.push(channel);
    this.additions.add(channel, { id: this.#hub.position, from: this.#hub.position });
    this.reading.review();
  }

  receive(delivery: Delivery): void {
    this.reading.receive(delivery);
  }

  #note(what: string, position: Position): void {
    this.given.push(what);
    this.position = position;
  }

  hold(): void {}
  release(): void {}
  plain(): void {}
  changed(): void {}
  reset(): void {}
  onHold(): void {}
  onOpen(): void {}
  onFailure(): void {}
  async renew(): Promise<void> {
    this.isStale = false;
  }
}

describe('a reading without a user', () => {
  let store: MemoryStore;
  let hub: Hub;
  const publish = (channel: string, text: string) => publishOne(store, channel, text);

  beforeEach(async () => {
    store = new MemoryStore({ retention, maxMessage: 1000 });
    const { source, backlog } = store;
    hub = new Hub({ source, backlog, counters, recordsPlain: () => false, retention, logger: createLogger('silent') });
    hub.start();
    await eventually(() => hub.isOpen);
  });
  afterEach(async () => {
    await hub.close();
    await store.close();
  });

  it('gives what is published on its channels from now on, and keeps its place', async () => {
    const owner = new PublicOwner(store, hub, ['news:1', 'news:2']);
    await owner.open({ kind: 'now' });
    await publish('news:1', 'one');
    await publish('news:3', 'for others');
    const { id } = await publish('news:2', 'two');
    owner.reading.noop();
    expect(owner.given).to.deep.equal(['ok', 'one', 'two', 'noop']);
    expect(owner.position).to.be.at.least(id);
  });

  it('replays what was missed after a position, in the order of all its channels, and goes over to live', async () => {
    const { id } = await publish('news:1', 'before');
    await publish('news:2', 'one');
    await publish('news:1', 'two');
    const owner = new PublicOwner(store, hub, ['news:1', 'news:2']);
    const opening = owner.open({ kind: 'after', position: id });
    await publish('news:2', 'three');
    await opening;
    await publish('news:1', 'four');
    await eventually(() => owner.given.length === 5);
    expect(owner.given).to.deep.equal(['ok', 'one', 'two', 'three', 'four']);
  });

  it('follows a channel that is added, from there on', async () => {
    const owner = new PublicOwner(store, hub, ['news:1']);
    await owner.open({ kind: 'now' });
    await publish('news:2', 'too early');
    await hub.refresh();
    owner.add('news:2');
    await publish('news:2', 'one');
    await publish('news:1', 'two');
    await eventually(() => owner.given.length === 3);
    expect(owner.given).to.deep.equal(['ok', 'one', 'two']);
  });

  it('replays only the newest of what is still kept under an older rule, if each replaces the ones before it', async () => {
    const { id } = await publish('sticker:1', 'a 0');
    for (const text of ['a 1', 'a 2']) await publish('sticker:1', text);
    await publish('news:1', 'one');
    await publish('sticker:1', 'a 3');
    await publish('sticker:2', 'b 1');
    const { source, backlog } = store;
    const newest = { ...retention(), isConflated: true };
    const rule = (channel: string) => (channel.startsWith('sticker:') ? newest : retention());
    const logger = createLogger('silent');
    await hub.close();
    hub = new Hub({ source, backlog, counters, recordsPlain: () => false, retention: rule, logger });
    hub.start();
    await eventually(() => hub.isOpen);
    const owner = new PublicOwner(store, hub, ['news:1', 'sticker:1', 'sticker:2']);
    await owner.open({ kind: 'after', position: id });
    await eventually(() => owner.given.length === 4);
    expect(owner.given).to.deep.equal(['ok', 'one', 'a 3', 'b 1']);
  });

  it('gives a reset that it holds before messages that it reads from behind it', async () => {
    const owner = new PublicOwner(store, hub, ['news:1']);
    await owner.open({ kind: 'now' });
    owner.reading.hold();
    owner.reading.reset('news:1', 'flushed');
    await publish('news:1', 'one');
    await hub.refresh();
    owner.isStale = true;
    owner.reading.release();
    await eventually(() => owner.given.length === 3);
    expect(owner.given).to.deep.equal(['ok', 'flushed news:1', 'one']);
  });

  it('gives a reset that it holds before messages that were too many to be held', async () => {
    const owner = new PublicOwner(store, hub, ['news:1']);
    await owner.open({ kind: 'now' });
    owner.reading.hold();
    owner.reading.reset('news:1', 'flushed');
    const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(600));
    for (const text of texts) await publish('news:1', text);
    owner.reading.release();
    await eventually(() => owner.given.length === 5);
    expect(owner.given).to.deep.equal(['ok', 'flushed news:1', ...texts]);
  });

  it('holds while it is told to, and gives then what it has heard', async () => {
    const owner = new PublicOwner(store, hub, ['news:1']);
    await owner.open({ kind: 'now' });
    owner.reading.hold();
    owner.reading.hold();
    await publish('news:1', 'one');
    expect(owner.reading.isHolding).to.equal(true);
    owner.reading.release();
    await turn();
    expect(owner.given).to.deep.equal(['ok']);
    owner.reading.release();
    await eventually(() => owner.given.length === 2);
    await eventually(() => !owner.reading.isHolding);
  });
});
