import { expect } from 'chai';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import type { Rights } from '../../src/backlog/backlog.ts';
import type { Message } from '../../src/message/message.ts';
import { type Place, placeOf } from '../../src/message/place.ts';
import type { Position } from '../../src/message/position.ts';
import { Timeline } from '../../src/session/timeline.ts';
import type { Store } from '../../src/store/store.ts';
import { aMessage } from '../support/messages.ts';
import { RawRecorder } from '../support/raw-recorder.ts';
import { rightsOf } from './rights.ts';
import { DEFAULTS, Ear, kept, publishOne, type Settings, say } from './store.ts';

const LIST = 'user:7:channels';
const LEASE = 'sisyphus:{0}:recorder';
const ROOMS = ['room:1', 'room:2'];

/** Rights that a plain PUBLISH has announced, or may have, before it is recorded. */
export function redisTimelineContract(openStore: (settings: Settings) => Promise<Store>, client: () => Redis): void {
  describe('the places of changes of rights, while plain PUBLISHes wait to be recorded', () => {
    let store: Store;
    let redis: Redis;
    let recorder: RawRecorder;
    let ear: Ear;
    beforeEach(async () => {
      store = await openStore(DEFAULTS);
      ear = await Ear.at(store, 'user:7');
      redis = client();
      recorder = await RawRecorder.begin(client, 'a');
      expect(await recorder.lease('keep')).to.equal('leader');
      await redis.sadd(LIST, 'room:0');
      await rightsOf(store, '7');
    });
    afterEach(async () => {
      recorder.end();
      redis.disconnect();
      await store.close();
    });

    async function grantedAt(channel: string): Promise<Place | undefined> {
      const { changes } = await rightsOf(store, '7');
      return changes.findLast((change) => change.channel === channel && change.kind === 'granted')?.place;
    }

    /** As an application does it: the list, then a plain message. It is heard by the recorder, which takes its time. */
    async function grantPlain(channel: string): Promise<Place> {
      await redis.sadd(LIST, channel);
      const { length } = recorder.heard;
      await redis.publish('user:7', `granted ${channel}`);
      const { id, number } = (await recorder.hears(length + 1)).at(-1)!;
      return { id: id as Position, number };
    }

    async function recordAll(): Promise<void> {
      await recorder.record(await recorder.hears(1));
    }

    it('are those of the plain one, also if a message by script showed the change first', async () => {
      const place = await grantPlain('room:2');
      const between = await publishOne(store, 'room:2', 'between the two');
      const script = await publishOne(store, 'user:7', 'shows the change');
      expect(await grantedAt('room:2')).to.deep.equal(placeOf(script.id));
      expect((await rightsOf(store, '7')).unsettled).to.equal(true);
      await recordAll();
      expect(await grantedAt('room:2')).to.deep.equal(place);
      await ear.mark();
      const moved = { channel: 'room:2', kind: 'granted', place, was: placeOf(script.id) };
      expect(ear.messages.at(-1)!.rights!.changes).to.deep.equal([moved]);
      // Who reads it later is told which message told of it.
      const told = ear.messages.at(-1)!.id;
      expect((await rightsOf(store, '7')).changes.at(-1)).to.deep.equal({ ...moved, told });
      expect(between.id).to.be.above(place.id);
    });

    it('are those of the first plain one that may have announced the change', async () => {
      const place = await grantPlain('room:2');
      await redis.publish('user:7', 'later, and before the change has shown');
      await recorder.hears(2);
      await publishOne(store, 'user:7', 'shows the change');
      await recordAll();
      expect(await grantedAt('room:2')).to.deep.equal(place);
      await redis.publish('user:7', 'later still');
      await recordAll();
      expect(await grantedAt('room:2')).to.deep.equal(place);
    });

    it('are those of the plain one, also if nothing has shown the change but somebody who looked', async () => {
      const place = await grantPlain('room:2');
      const looked = (await grantedAt('room:2'))!;
      expect(looked.number).to.equal(0);
      expect(looked.id).to.be.above(place.id);
      await recordAll();
      expect(await grantedAt('room:2')).to.deep.equal(place);
    });

    it('are not those of a plain one that was published when the list had not changed yet', async () => {
      await redis.publish('user:7', 'before');
      await recorder.hears(1);
      await publishOne(store, 'user:7', 'the list is as it was');
      await redis.sadd(LIST, 'room:2');
      const { id } = await publishOne(store, 'user:7', 'shows the change');
      await recordAll();
      expect(await grantedAt('room:2')).to.deep.equal(placeOf(id));
    });

    it('are those of the command that made and told the change in one step', async () => {
      await redis.publish('user:7', 'before');
      await recorder.hears(1);
      const { id } = await store.backlog.grant('7', 'room:3');
      expect((await rightsOf(store, '7')).unsettled).to.equal(false);
      await recordAll();
      await redis.publish('user:7', 'later');
      await recordAll();
      expect(await grantedAt('room:3')).to.deep.equal(placeOf(id));
    });

    it('are settled when everything is recorded that was published before', async () => {
      await grantPlain('room:2');
      await rightsOf(store, '7');
      await recordAll();
      await redis.publish('room:9', 'behind it');
      await recordAll();
      expect((await rightsOf(store, '7')).unsettled).to.equal(false);
    });

    it('are settled if nobody has recorded for a minute', async () => {
      await grantPlain('room:2');
      const now = Number(await redis.hget('sisyphus:{0}:clock', 'last'));
      for (const expires of [now, -now, now - 59e6, 59e6 - now]) {
        await redis.hset(LEASE, 'expires', expires);
        expect((await rightsOf(store, '7')).unsettled, `run out at ${expires}`).to.equal(true);
      }
      for (const expires of [now - 61e6, 61e6 - now]) {
        await redis.hset(LEASE, 'expires', expires);
        expect((await rightsOf(store, '7')).unsettled, `run out at ${expires}`).to.equal(false);
      }
    });

    it('are asked for by who waits until everything before is recorded, and told as soon as it is', async () => {
      await redis.publish('room:9', 'before');
      await recorder.hears(1);
      let isSettled = false;
      const settled = store.source.settle().then(() => {
        isSettled = true;
      });
      await store.source.mark([]);
      const id = Number(await redis.hget('sisyphus:{0}:clock', 'last'));
      await recordAll();
      await store.source.mark([]);
      expect(isSettled).to.equal(false);
      const [, , count] = recorder.place;
      await recorder.record([{ id, number: 0, channel: '', data: '', count }]);
      await settled;
      expect((await kept(store, 'room:9')).length).to.equal(1);
    });

    it('are waited for by nobody where nobody records', async () => {
      await redis.del(LEASE);
      const began = performance.now();
      await store.source.settle();
      expect(performance.now() - began).to.be.below(1000);
    });

    type Way = 'plain' | 'script' | 'none' | 'atomic';
    type Step = { kind: 'change'; room: number; way: Way } | { kind: 'look' | 'plain' | 'script' | 'record' };
    const steps: fc.Arbitrary<Step[]> = fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.record({ kind: fc.constant('change' as const), room: fc.nat(1), way: ways() }) },
        { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('look', 'plain', 'script', 'record' as const) }) },
      ),
      { minLength: 2, maxLength: 9 },
    );
    function ways(): fc.Arbitrary<Way> {
      return fc.constantFrom('plain', 'plain', 'script', 'atomic', 'none');
    }

    it('are where the changes were announced, through any history', async function () {
      this.timeout(60_000);
      let user = 0;
      await fc.assert(
        fc.asyncProperty(steps, async (history) => {
          await new History(store, redis, recorder, ear, `u${user++}`).run(history);
        }),
        { numRuns: 150 },
      );
    });
  });
}

/** Something that happened to the list, or on the user's channel, by its number in Redis's order. */
interface Event {
  at: number;
  /** Of a plain PUBLISH: the number of its record. */
  recordedAt?: number;
  plain: boolean;
}

interface Change {
  room: string;
  to: boolean;
  at: number;
  atomic: boolean;
}

/**
 * One user's history, and what it must come to. An application changes the list, and then tells the user: the change counts from that message
 * on. In between nobody can say which it is; nor from the first plain PUBLISH on that waits to be recorded while the list changes. What
 * is undone before anybody has looked, nobody may ever see.
 */
class History {
  readonly #list: string;
  readonly #channel: string;
  readonly #own: Event[] = [];
  readonly #looks: number[] = [];
  readonly #changes: Change[] = [];
  readonly #probes: { room: string; at: number; id: Position }[] = [];
  readonly #state = new Map<string, boolean>();
  #now = 0;

  readonly store: Store;
  readonly redis: Redis;
  readonly recorder: RawRecorder;
  readonly ear: Ear;
  readonly user: string;

  constructor(store: Store, redis: Redis, recorder: RawRecorder, ear: Ear, user: string) {
    this.store = store;
    this.redis = redis;
    this.recorder = recorder;
    this.ear = ear;
    this.user = user;
    this.#list = `user:${user}:channels`;
    this.#channel = `user:${user}`;
  }

  async run(steps: Parameters<History['step']>[0][]): Promise<void> {
    await this.redis.sadd(this.#list, 'room:1', 'room:stays');
    this.#state.set('room:1', true);
    const told = new Timeline();
    told.replace(await this.#rights());
    const { length: before } = this.ear.heard;
    await this.store.source.subscribe([this.#channel]);
    for (const step of steps) {
      this.#now++;
      await this.step(step);
      this.#now++;
      for (const { channel, id } of await this.store.backlog.publish(ROOMS.map((room) => say(room)))) {
        this.#probes.push({ room: channel, at: this.#now, id });
      }
    }
    this.#now++;
    await this.step({ kind: 'record' });
    const known = new Timeline();
    known.replace(await this.#rights());
    await this.ear.mark();
    this.#judge(known, told, this.ear.heard.slice(before));
  }

  async step(step: { kind: 'change'; room: number; way: string } | { kind: string }): Promise<void> {
    if ('way' in step) await this.#change(ROOMS[step.room]!, step.way);
    else if (step.kind === 'look') await this.#rights();
    else if (step.kind === 'plain') await this.#plain();
    else if (step.kind === 'script') await this.#script();
    else if (this.recorder.heard.length > 0) {
      await this.recorder.record();
      this.#looks.push(this.#now);
      for (const event of this.#own) if (event.plain) event.recordedAt ??= this.#now;
    }
  }

  async #change(room: string, way: string): Promise<void> {
    const to = !this.#state.get(room);
    this.#state.set(room, to);
    this.#changes.push({ room, to, at: this.#now, atomic: way === 'atomic' });
    if (way === 'atomic') {
      await this.store.backlog[to ? 'grant' : 'revoke'](this.user, room);
      this.#own.push({ at: this.#now, plain: false });
      this.#looks.push(this.#now);
      return;
    }
    await this.redis[to ? 'sadd' : 'srem'](this.#list, room);
    this.#now++;
    if (way === 'plain') await this.#plain();
    else if (way === 'script') await this.#script();
  }

  async #plain(): Promise<void> {
    const { length } = this.recorder.heard;
    await this.redis.publish(this.#channel, `${this.#now}`);
    await this.recorder.hears(length + 1);
    this.#own.push({ at: this.#now, plain: true });
  }

  async #script(): Promise<void> {
    await publishOne(this.store, this.#channel, `${this.#now}`);
    this.#own.push({ at: this.#now, plain: false });
    this.#looks.push(this.#now);
  }

  async #rights(): Promise<Rights> {
    this.#looks.push(this.#now);
    return rightsOf(this.store, this.user);
  }

  /** Both what the store answers in the end, and what was heard on the way, must give each probe to whom it is for. */
  #judge(known: Timeline, told: Timeline, heard: Ear['heard']): void {
    for (const event of heard) {
      if (typeof event !== 'object') continue;
      const change = 'message' in event ? event.message.rights : 'changed' in event ? event.changed : undefined;
      if (!change || change.now <= told.version) continue;
      expect(change.before, 'versions follow on each other').to.equal(told.version);
      told.apply(change);
    }
    expect([...told.channels].sort()).to.deep.equal([...known.channels].sort());
    for (const { room, at, id } of this.#probes) {
      const possible = this.#possible(room, at);
      const probe: Message = aMessage({ channel: room, id });
      for (const [name, timeline] of Object.entries({ known, told })) {
        // Of a channel without a change a reader hears nothing, unless it is on the list.
        const isAllowed = timeline.hasChangeOf(room) ? timeline.allows(probe) : timeline.channels.includes(room);
        expect(possible.has(isAllowed), `${name}: ${room} at ${at} is ${isAllowed}`).to.equal(true);
      }
    }
  }

  /** Whether the user may have the right to the room at this moment. */
  #possible(room: string, at: number): Set<boolean> {
    let possible = new Set([room === 'room:1']);
    const changes = this.#changes.filter((change) => change.room === room);
    for (const [i, change] of changes.entries()) {
      const { from, to } = this.#window(change);
      const next = changes[i + 1];
      const seen = this.#looks.find((look) => look >= change.at) ?? Number.POSITIVE_INFINITY;
      if (next && next.at < seen) {
        // Undone before anybody looked: it may have been seen, as nothing at all.
        for (const state of [true, false]) possible.add(state);
        continue;
      }
      if (at >= to) possible = new Set([change.to]);
      else if (at >= from) possible.add(change.to);
    }
    return possible;
  }

  /** From when on the change may count, and from when on it must. */
  #window({ at, atomic }: Change): { from: number; to: number } {
    if (atomic) return { from: at, to: at };
    const pending = this.#own.filter((event) => event.plain && event.at < at && (event.recordedAt ?? Infinity) > at);
    const announced = this.#own.find((event) => event.at >= at)?.at ?? Number.POSITIVE_INFINITY;
    return { from: Math.min(at, ...pending.map((event) => event.at)), to: announced };
  }
}
