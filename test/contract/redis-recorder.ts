import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { Store } from '../../src/store/store.ts';
import { type RawPlain, RawRecorder } from '../support/raw-recorder.ts';
import { eventually } from '../support/wait.ts';
import { DEFAULTS, Ear, kept, publishOne, type Settings, texts } from './store.ts';

const LEASE = 'sisyphus:{0}:recorder';
const STANDBYS = 'sisyphus:{0}:standbys';
const UNRECORDED = /^unrecorded \d+ \d+$/;

/** The lease of the recorder, what it may record, and when its change leaves a gap. */
export function redisRecorderContract(openStore: (settings: Settings) => Promise<Store>, client: () => Redis): void {
  describe('the lease of the recorder', () => {
    let store: Store;
    let redis: Redis;
    let recorders: RawRecorder[];
    beforeEach(async () => {
      store = await openStore({ ...DEFAULTS, maxMessage: 100 });
      redis = client();
      recorders = [];
    });
    afterEach(async () => {
      for (const recorder of recorders) recorder.end();
      redis.disconnect();
      await store.close();
    });

    async function begin(name: string, patterns?: string): Promise<RawRecorder> {
      const recorder = await RawRecorder.begin(client, name, patterns);
      recorders.push(recorder);
      return recorder;
    }

    async function lead(name: string): Promise<RawRecorder> {
      const recorder = await begin(name);
      expect(await recorder.lease('keep')).to.equal('leader');
      return recorder;
    }

    /** As after the death of the owner. */
    const runOut = () => redis.hset(LEASE, 'expires', 1);

    /** It has not heard everything: it waits for one that has, and none comes. */
    async function takes(recorder: RawRecorder): Promise<void> {
      expect(await recorder.lease('keep', { ttl: 900 })).to.equal('uncovered');
      expect(await recorder.lease('keep', { ttl: 900 })).to.equal('uncovered');
      await redis.hincrby(LEASE, 'awaited', -1_000_000);
      expect(await recorder.lease('keep', { ttl: 900 })).to.equal('leader');
      expect(await redis.hget(LEASE, 'awaited')).to.equal('0');
    }

    async function gaps(): Promise<string[]> {
      const [, , list] = (await redis.fcall('sisyphus_mark', 0, 0)) as [string, string, string[]];
      return list;
    }

    async function say(...said: string[]): Promise<void> {
      for (const data of said) await redis.publish('room:1', data);
    }

    describe('is had', () => {
      it('by the first that wants it, without a gap, whatever was published before', async () => {
        await say('to nobody');
        const a = await begin('a');
        expect(await a.lease('ask')).to.equal('room');
        expect(await a.lease('keep')).to.equal('leader');
        expect(await gaps()).to.deep.equal([]);
      });

      it('by one alone: two others stand by, and a third is not needed', async () => {
        await lead('a');
        const [b, c, d] = [await begin('b'), await begin('c'), await begin('d')];
        expect(await b.lease('keep')).to.equal('standby');
        expect(await d.lease('ask')).to.equal('room');
        expect(await c.lease('keep')).to.equal('standby');
        expect(await d.lease('ask')).to.equal('spare');
        expect(await d.lease('keep')).to.equal('spare');
        expect(await b.lease('keep')).to.equal('standby');
        expect(await b.lease('leave')).to.equal('spare');
        expect(await d.lease('ask')).to.equal('room');
        expect(await d.lease('keep')).to.equal('standby');
      });

      it('for as long as it is renewed, also where it has run out and nobody else has it', async () => {
        const a = await lead('a');
        const expires = Number(await redis.hget(LEASE, 'expires'));
        expect(await a.lease('keep')).to.equal('leader');
        expect(Number(await redis.hget(LEASE, 'expires'))).to.be.above(expires);
        await runOut();
        await say('to nobody else');
        expect(await a.lease('keep')).to.equal('leader');
        expect(await gaps()).to.deep.equal([]);
      });

      it('until it runs out by the clock of Redis', async () => {
        const [a, b] = [await begin('a'), await begin('b')];
        expect(await a.lease('keep', { ttl: 30 })).to.equal('leader');
        expect(await b.lease('keep')).to.equal('standby');
        await eventually(async () => (await b.lease('keep')) === 'leader');
        expect(await a.lease('keep')).to.equal('standby');
      });

      it('by another at once where the clock of Redis was set back: no lease is longer than it was made', async () => {
        const [a, b, c] = [await begin('a'), await begin('b'), await begin('c')];
        expect(await a.lease('keep', { ttl: 900 })).to.equal('leader');
        expect(await b.lease('keep', { ttl: 900 })).to.equal('standby');
        const ahead = (microseconds: number) =>
          redis.eval("redis.call('HINCRBY', KEYS[1], 'expires', ARGV[1])", 1, LEASE, microseconds);
        // Within its length it still counts.
        await ahead(-100_000);
        await ahead(100_000);
        expect(await b.lease('keep', { ttl: 900 })).to.equal('standby');
        await ahead(20_000_000);
        expect(await b.lease('keep', { ttl: 900 })).to.equal('leader');
        // Given back before the clock was set back, too.
        expect(await b.lease('release')).to.equal('spare');
        await ahead(-20_000_000);
        expect(await c.lease('keep', { ttl: 900 })).to.equal('leader');
        expect(await gaps()).to.deep.equal([]);
      });

      it('by who stands by, though others seem to, longer than anybody can, from before the clock was set back', async () => {
        const [a, b] = [await lead('a'), await begin('b')];
        const now = Number((await redis.time())[0]) * 1e6;
        await redis.zadd(STANDBYS, now + 20e6, 'dead', now + 21e6, 'dead too');
        expect(await b.lease('ask', { ttl: 900 })).to.equal('room');
        expect(await b.lease('keep', { ttl: 900 })).to.equal('standby');
        await redis.zadd(STANDBYS, now + 20e6, 'dead');
        // Nor is it waited for by who has not heard all.
        await say('recorded by nobody');
        const c = await begin('c');
        expect(await b.lease('leave')).to.equal('spare');
        await runOut();
        await takes(c);
        expect(await a.lease('keep')).to.equal('standby');
      });

      it('and who asks is told whether anybody has it', async () => {
        const [a, b] = [await begin('a'), await begin('b')];
        const held = async (recorder: RawRecorder, wanted: 'ask' | 'keep' | 'release', ttl = 60_000) => {
          await recorder.lease(wanted, { ttl });
          return recorder.isHeld;
        };
        expect(await held(a, 'ask')).to.equal(false);
        expect(await held(a, 'keep')).to.equal(true);
        expect(await held(b, 'ask')).to.equal(true);
        expect(await held(b, 'keep')).to.equal(true);
        await say('not recorded');
        const c = await begin('c');
        await runOut();
        expect(await held(c, 'ask')).to.equal(false);
        expect(await held(c, 'keep'), 'uncovered').to.equal(false);
        expect(await held(b, 'keep')).to.equal(true);
      });

      it('by another as soon as it is given back, and who waits for it hears so', async () => {
        const [a, b] = [await lead('a'), await begin('b')];
        expect(await b.lease('keep')).to.equal('standby');
        expect(await b.lease('leave')).to.equal('spare');
        expect(b.releases).to.equal(0);
        expect(await a.lease('release')).to.equal('spare');
        await eventually(() => b.releases === 1);
        expect(await b.lease('keep')).to.equal('leader');
        expect(await a.lease('release')).to.equal('spare');
        expect(await a.lease('keep')).to.equal('standby');
      });
    });

    describe('that ran out leaves', () => {
      it('no gap for a standby that was there before: it records what its owner did not', async () => {
        const [a, b] = [await lead('a'), await begin('b')];
        await say('one', 'two', 'three');
        await a.record((await a.hears(3)).slice(0, 1));
        await b.hears(3);
        // The owner was ahead of the standby's beginning all along.
        expect(Number(await redis.hget(LEASE, 'id'))).to.be.at.least(Number(b.from));
        await runOut();
        expect(await b.lease('keep')).to.equal('leader');
        expect(await b.record()).to.deep.equal([2, 1]);
        expect(texts(await kept(store, 'room:1'))).to.deep.equal(['one', 'two', 'three']);
        expect(await gaps()).to.deep.equal([]);
      });

      it('no gap where its owner comes back a moment after one that began later: Redis had refused both', async () => {
        const a = await lead('a');
        await say('heard by one');
        await a.hears(1);
        const b = await begin('b');
        await runOut();
        expect(await b.lease('keep')).to.equal('uncovered');
        // Longer ago: what was waited for then has nothing to do with this.
        await redis.hincrby(LEASE, 'awaited', -20_000_000);
        expect(await b.lease('keep')).to.equal('uncovered');
        expect(await a.lease('keep')).to.equal('leader');
        expect(await a.record()).to.deep.equal([1, 0]);
        expect(await gaps()).to.deep.equal([]);
      });

      it('a gap for who began later, from the last place that is recorded, if something was published between', async () => {
        const a = await lead('a');
        await say('recorded');
        await a.record(await a.hears(1));
        const last = await redis.hget(LEASE, 'id');
        await say('unrecorded');
        const b = await begin('b');
        await runOut();
        await takes(b);
        const [gap, ...others] = await gaps();
        expect(gap).to.match(UNRECORDED);
        expect(others).to.deep.equal([]);
        const [from, to] = gap!.split(' ').slice(1);
        expect(from).to.equal(last);
        expect(Number(to)).to.be.above(Number(b.from));
      });

      it('a gap that is said in its place, behind lower ids and before higher ones', async () => {
        await lead('a');
        const ear = await Ear.at(store, 'room:2');
        const before = await publishOne(store, 'room:2');
        await say('unrecorded');
        const b = await begin('b');
        await runOut();
        await takes(b);
        const behind = await publishOne(store, 'room:2');
        await ear.mark();
        const [gap] = await gaps();
        const said = ear.heard.flatMap((event): (string | number)[] => {
          if (typeof event === 'string') return [];
          if ('gap' in event) return [`${event.gap.reason} ${event.gap.from} ${event.gap.to}`];
          return 'message' in event ? [event.message.id] : [];
        });
        expect(said).to.deep.equal([before.id, gap, behind.id]);
        expect(Number(gap!.split(' ')[2]))
          .to.be.above(before.id)
          .and.below(behind.id);
      });

      it('no gap for who began later if nothing was published between: the count of Redis says so', async () => {
        const a = await lead('a');
        await say('recorded');
        await a.record(await a.hears(1));
        // The count is of plain ones only: what scripts publish is not counted, and anchors are not.
        await publishOne(store, 'room:1', 'by script');
        await store.backlog.grant('7', 'room:1');
        await a.anchor();
        const b = await begin('b');
        await runOut();
        expect(await b.lease('keep')).to.equal('leader');
        expect(await gaps()).to.deep.equal([]);
      });

      it('no gap for who began when the owner was idle, and had said up to where', async () => {
        const a = await lead('a');
        await say('not recorded, and of no channel: it counts all the same');
        await a.hears(1);
        await a.anchor();
        expect(await a.lease('keep', { upTo: a.place })).to.equal('leader');
        const b = await begin('b');
        await runOut();
        expect(await b.lease('keep')).to.equal('leader');
        expect(await gaps()).to.deep.equal([]);
      });

      it('nothing to who has not heard all while another stands by, who may have', async () => {
        const [a, b] = [await lead('a'), await begin('b')];
        expect(await b.lease('keep')).to.equal('standby');
        await say('recorded', 'heard by the standby');
        await a.record((await a.hears(2)).slice(0, 1));
        const c = await begin('c');
        await runOut();
        const now = Number((await redis.time())[0]) * 1e6;
        for (const awaited of [0, now - 2_000_000]) {
          await redis.hset(LEASE, 'awaited', awaited);
          expect(await c.lease('keep')).to.equal('uncovered');
        }
        expect(await gaps()).to.deep.equal([]);
        expect(await b.lease('keep')).to.equal('leader');
        expect(await b.record(await b.hears(2))).to.deep.equal([1, 1]);
        expect(await gaps()).to.deep.equal([]);
      });

      it('it, with a gap, to who has not heard all once the other stands by no longer', async () => {
        await lead('a');
        const b = await begin('b');
        expect(await b.lease('keep', { ttl: 30 })).to.equal('standby');
        await say('heard by the dead');
        const c = await begin('c');
        await runOut();
        await eventually(async () => (await c.lease('keep')) === 'leader');
        expect(await gaps()).to.have.length(1);
      });

      it('a gap where the owner recorded other channels, unless nothing was published at all', async () => {
        await lead('a');
        const [b, c] = [await begin('b', 'room:*'), await begin('c')];
        await runOut();
        expect(await b.lease('keep')).to.equal('leader');
        expect(await gaps()).to.deep.equal([]);
        await say('by the patterns of one, not of the other');
        await b.record(await b.hears(1));
        await runOut();
        await takes(c);
        expect(await gaps()).to.have.length(1);
      });
    });

    it('lets its owner say which plain channels are recorded from an anchor on, and nobody else', async () => {
      const [a, b] = [await lead('a'), await begin('b')];
      const hearing = client();
      const said: string[] = [];
      hearing.on('message', (_, text: string) => said.push(text.split(' ').slice(3).join(' ')));
      await hearing.subscribe('sisyphus{0}/@anchor');
      await b.anchor('room:*');
      await a.anchor('folder:* room:*');
      await a.anchor('folder:* room:*');
      // It has not heard its own anchor yet.
      expect(await a.lease('keep')).to.equal('leader');
      expect(await redis.hget(LEASE, 'patterns')).to.equal('folder:* room:*');
      await b.anchor();
      await eventually(() => said.length === 4);
      expect(said).to.deep.equal(['- *:*', 'switch folder:* room:*', '- folder:* room:*', '- folder:* room:*']);
      hearing.disconnect();
    });

    it('is not given back by who leaves without knowing that it has it: it runs out', async () => {
      const a = await lead('a');
      await say('heard');
      await a.hears(1);
      expect(await a.lease('leave')).to.equal('spare');
      expect(Number(await redis.hget(LEASE, 'expires'))).to.be.above(0);
      await runOut();
      await takes(await begin('b'));
      expect(await gaps()).to.have.length(1);
    });

    describe('that was given back leaves', () => {
      let a: RawRecorder;
      beforeEach(async () => {
        a = await lead('a');
        await say('recorded');
        await a.record(await a.hears(1));
        expect(await a.lease('release')).to.equal('spare');
      });

      it('a gap if something was published between, though its owner was stopped and nobody ran who could have heard', async () => {
        await say('to nobody');
        expect(await (await begin('b')).lease('keep')).to.equal('leader');
        const [gap, ...others] = await gaps();
        expect(gap).to.match(UNRECORDED);
        expect(others).to.deep.equal([]);
      });

      it('a gap if something was published between, where its owner only lost its connection', async () => {
        expect(await a.lease('keep')).to.equal('leader');
        expect(await a.lease('release', { again: true })).to.equal('spare');
        await say('to nobody');
        expect(await (await begin('b')).lease('keep')).to.equal('leader');
        expect(await gaps()).to.have.length(1);
      });

      it('no gap if nothing was published between but by scripts, and who comes later has no part in it', async () => {
        await publishOne(store, 'room:1', 'by script');
        await store.backlog.grant('7', 'room:1');
        expect(await (await begin('b')).lease('keep')).to.equal('leader');
        expect(await gaps()).to.deep.equal([]);
      });

      it('no gap where its owner had heard what it does not record, and said so', async () => {
        expect(await a.lease('keep')).to.equal('leader');
        await redis.publish('комната:1', 'of no channel');
        await a.hears(1);
        expect(await a.lease('release', { upTo: a.place })).to.equal('spare');
        expect(await (await begin('b')).lease('keep')).to.equal('leader');
        expect(await gaps()).to.deep.equal([]);
      });

      it('a gap where something was published and the statistics of Redis were reset', async () => {
        // As many as there had been before.
        const [calls] = /(?<=cmdstat_publish:calls=)\d+/.exec(await redis.info('commandstats'))!;
        await redis.call('CONFIG', 'RESETSTAT');
        for (let i = 0; i < Number(calls); i++) await redis.publish('room:1', 'to nobody');
        expect(await (await begin('b')).lease('keep')).to.equal('leader');
        expect(await gaps()).to.have.length(1);
      });
    });

    describe('in a new life of the server', () => {
      /** As a promotion: the replication id is another one, and the data are still there. */
      async function beginNewLife(): Promise<void> {
        const uptime = async () => Number(/uptime_in_seconds:(\d+)/.exec(await redis.info('server'))![1]);
        // Of a server that is younger than its last id, Redis's count is taken to have begun anew.
        await eventually(async () => (await uptime()) >= 2);
        const forks = await forked();
        await redis.replicaof('127.0.0.1', 1);
        await redis.replicaof('NO', 'ONE');
        // The functions look at the replication id now and then.
        await eventually(async () => (await forked()).length > forks.length);
      }

      const forked = async () => (await gaps()).filter((gap) => gap.startsWith('forked '));
      const unrecorded = async () => (await gaps()).filter((gap) => UNRECORDED.test(gap));

      it('has nobody standing by for it', async () => {
        await lead('a');
        await (await begin('b')).lease('keep');
        await (await begin('c')).lease('keep');
        const d = await begin('d');
        expect(await d.lease('ask')).to.equal('spare');
        await beginNewLife();
        expect(await d.lease('ask')).to.equal('room');
        expect(await redis.exists(STANDBYS)).to.equal(0);
        expect(await forked()).to.have.length(1);
      });

      it('leaves a gap where its owner had not given it back: counts of two lives are not compared', async () => {
        await lead('a');
        await beginNewLife();
        await runOut();
        await takes(await begin('b'));
        expect(await unrecorded()).to.have.length(1);
      });

      it('leaves none where it was given back, and nothing was published in the new life', async () => {
        const a = await lead('a');
        await say('recorded');
        await a.record(await a.hears(1));
        await a.lease('release');
        await beginNewLife();
        expect(await (await begin('b')).lease('keep')).to.equal('leader');
        expect(await unrecorded()).to.deep.equal([]);
      });

      it('leaves one where it was given back, and something was published in the new life before it was taken', async () => {
        await (await lead('a')).lease('release');
        await beginNewLife();
        await say('to nobody');
        expect(await (await begin('b')).lease('keep')).to.equal('leader');
        expect(await unrecorded()).to.have.length(1);
      });

      it('leaves one where it was given back while another stood by, which heard what came then, and has gone with it', async () => {
        const [a, b] = [await lead('a'), await begin('b')];
        await b.lease('keep');
        await a.lease('release');
        await say('heard by who stood by');
        await beginNewLife();
        b.end();
        expect(await (await begin('c')).lease('keep')).to.equal('leader');
        expect(await unrecorded()).to.have.length(1);
      });

      it('leaves none where its owner, cut off by the end of the old one, gives it back in the new one', async () => {
        const a = await lead('a');
        await beginNewLife();
        expect(await a.lease('release', { again: true })).to.equal('spare');
        expect(await (await begin('b')).lease('keep')).to.equal('leader');
        expect(await unrecorded()).to.deep.equal([]);
      });

      it('leaves one where its owner had lost its connection before: what was published then, nobody has counted', async () => {
        await (await lead('a')).lease('release', { again: true });
        await say('to nobody');
        await beginNewLife();
        expect(await (await begin('b')).lease('keep')).to.equal('leader');
        expect(await unrecorded()).to.have.length(1);
      });
    });

    describe('lets its owner record', () => {
      it('what was heard, in its order, among what is published by script', async () => {
        const a = await lead('a');
        await say('1', '2');
        await publishOne(store, 'room:1', 'by script');
        await say('3');
        expect(await a.record(await a.hears(3))).to.deep.equal([3, 0]);
        const messages = await kept(store, 'room:1');
        expect(texts(messages)).to.deep.equal(['by script', '1', '2', '3']);
        expect(messages.map(({ revision }) => revision)).to.deep.equal([1, 2, 3, 4]);
        const [script] = messages;
        expect(messages.map(({ place }) => place)).to.deep.equal([
          { id: script!.id, number: 0 },
          { id: Number(a.from), number: 1 },
          { id: Number(a.from), number: 2 },
          { id: script!.id, number: 1 },
        ]);
      });

      it('each place once, however often it is sent, by whoever has the lease', async () => {
        const [a, b] = [await lead('a'), await begin('b')];
        await say('1', '1', '2');
        const batch = [...(await a.hears(3))];
        expect(await a.record(batch.slice(0, 2))).to.deep.equal([2, 0]);
        expect(await a.record(batch.slice(0, 2))).to.deep.equal([0, 2]);
        expect(await a.record(batch)).to.deep.equal([1, 2]);
        await runOut();
        expect(await b.lease('keep')).to.equal('leader');
        expect(await b.record(await b.hears(3))).to.deep.equal([0, 3]);
        expect(texts(await kept(store, 'room:1'))).to.deep.equal(['1', '1', '2']);
      });

      it('nobody else: not the owner before it, nor one that stands by', async () => {
        const [a, b] = [await lead('a'), await begin('b')];
        await say('1');
        await Promise.all([a.hears(1), b.hears(1)]);
        const refusal = (recorder: RawRecorder) =>
          recorder.record([...recorder.heard]).catch((error: Error) => error.message);
        expect(await refusal(b)).to.match(/^FENCED /);
        await runOut();
        // Late, but nobody else has recorded.
        await a.record((await a.hears(1)).slice(0, 1));
        await say('2');
        expect(await b.lease('keep')).to.equal('leader');
        await a.hears(1);
        expect(await refusal(a)).to.match(/^FENCED /);
        expect(await b.record(await b.hears(2))).to.deep.equal([1, 1]);
        expect(texts(await kept(store, 'room:1'))).to.deep.equal(['1', '2']);
      });

      it('the place alone of what is too large', async () => {
        const a = await lead('a');
        await say('1', 'x'.repeat(101), 'x'.repeat(100));
        expect(await a.record(await a.hears(3))).to.deep.equal([3, 0]);
        const messages = await kept(store, 'room:1');
        expect(messages.map(({ oversize }) => oversize)).to.deep.equal([false, true, false]);
        expect(messages.map(({ payload }) => payload.length)).to.deep.equal([1, 0, 100]);
      });

      it('what can be recorded, where one channel cannot', async () => {
        const a = await lead('a');
        await redis.set('sisyphus:{0}:channel:room:2:msg_backlog', 'not ours');
        await say('1');
        await redis.publish('room:2', 'no');
        await say('2');
        const batch = [...(await a.hears(3))];
        const [recorded, skipped, channel, problem] = await a.record(batch);
        expect([recorded, skipped, channel]).to.deep.equal([2, 0, 'room:2']);
        expect(problem).to.match(/WRONGTYPE/);
        // Its place is past.
        expect(await a.record(batch)).to.deep.equal([0, 3]);
        const messages = await kept(store, 'room:1');
        expect(texts(messages)).to.deep.equal(['1', '2']);
        expect(messages.map(({ revision }) => revision)).to.deep.equal([1, 2]);
      });

      it('what it has heard, also where the last place recorded is behind every id, as of a branch that has ended', async () => {
        const a = await lead('a');
        const last = Number(await redis.hget('sisyphus:{0}:clock', 'last'));
        await redis.hset(LEASE, 'id', last + 60e6);
        await say('1', '2');
        expect(await a.record(await a.hears(2))).to.deep.equal([2, 0]);
        expect(texts(await kept(store, 'room:1'))).to.deep.equal(['1', '2']);
        // Also within one batch: somebody has published what looks like an envelope.
        await say('3', '4');
        const [third, fourth] = (await a.hears(2)) as [RawPlain, RawPlain];
        expect(await a.record([{ ...third, id: last + 60e6 }, fourth])).to.deep.equal([2, 0]);
        await a.lease('keep', { upTo: [last + 60e6, 0, a.fromCount] });
        expect(Number(await redis.hget(LEASE, 'id'))).to.be.below(last + 60e6);
        // Nor has who comes later heard all for that.
        await redis.hset(LEASE, 'id', last + 60e6);
        await say('5');
        const b = await begin('b');
        await runOut();
        await takes(b);
        expect(await gaps()).to.have.length(1);
      });

      it('no place again that it has said to be past, and says nothing that takes one back', async () => {
        const a = await lead('a');
        await say('1');
        const batch = [...(await a.hears(1))];
        const early = a.place;
        await a.anchor();
        const late = a.place;
        await a.lease('keep', { upTo: late });
        expect(await a.record(batch)).to.deep.equal([0, 1]);
        await a.lease('keep', { upTo: early });
        expect(Number(await redis.hget(LEASE, 'id'))).to.equal(late[0]);
      });
    });
  });
}
