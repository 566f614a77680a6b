import { expect } from 'chai';
import { formatEnvelope } from '../../src/message/envelope.ts';
import { BEGINNING, laterOf } from '../../src/message/position.ts';
import { readSlices } from '../support/read-slices.ts';
import { refusal } from './publishing.ts';
import { Ear, kept, type Open, publishOne, say, texts } from './store.ts';

export function sourceContract(open: Open): void {
  describe('hearing', () => {
    it('begins with up, and nothing is heard before something is subscribed', async () => {
      const store = await open();
      const ear = await Ear.at(store);
      await store.backlog.publish([say('room:1')]);
      await ear.mark();
      expect(ear.heard[0]).to.equal('up');
      expect(ear.messages).to.deep.equal([]);
    });

    it('brings what is published after the subscription was acknowledged, each time', async () => {
      const store = await open();
      const ear = await Ear.at(store);
      for (let i = 0; i < 200; i++) {
        expect(await store.source.subscribe([`room:${i}`])).to.deep.equal([]);
        await store.backlog.publish([say(`room:${i}`, `${i}`)]);
      }
      await ear.mark();
      expect(texts(ear.messages)).to.deep.equal(Array.from({ length: 200 }, (_, i) => `${i}`));
    });

    it('brings the channels that were subscribed, and no others', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'room:1', 'room:3');
      await store.source.subscribe([]);
      await store.backlog.publish(
        ['room:1', 'room:2', 'room:3', 'room:13', 'room', 'room:1:x'].map((name) => say(name)),
      );
      await ear.mark();
      expect(ear.messages.map(({ channel }) => channel)).to.deep.equal(['room:1', 'room:3']);
    });

    it('ends where a channel is unsubscribed, and leaves the others', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'room:1', 'room:2', 'user:7');
      store.source.unsubscribe(['room:1', 'user:7', 'room:never']);
      await ear.mark();
      await store.backlog.publish(['room:1', 'room:2', 'user:7'].map((name) => say(name)));
      await ear.mark();
      expect(ear.messages.map(({ channel }) => channel)).to.deep.equal(['room:2']);
    });

    it('can begin again', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'room:1');
      for (let i = 0; i < 50; i++) {
        store.source.unsubscribe(['room:1']);
        await store.source.subscribe(['room:1']);
        await store.backlog.publish([say('room:1', `${i}`)]);
      }
      await ear.mark();
      expect(texts(ear.messages)).to.deep.equal(Array.from({ length: 50 }, (_, i) => `${i}`));
    });

    it('brings the same message as the backlog', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'room:1', 'user:7');
      await store.backlog.publish([say('room:1', 'a'), say('room:1', 'b', 'named')]);
      await store.backlog.grant('7', 'room:1');
      await store.backlog.revoke('7', 'room:1');
      await ear.mark();
      const recorded = [...(await kept(store, 'room:1')), ...(await kept(store, 'user:7'))];
      expect(recorded).to.have.length(4);
      expect(ear.messages.map((message) => formatEnvelope(message).toString('latin1'))).to.deep.equal(
        recorded.map((message) => formatEnvelope(message).toString('latin1')),
      );
    });
  });

  describe('a mark', () => {
    it('comes after everything that was published before it, and brings its position', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'room:1');
      for (let i = 0; i < 20; i++) {
        const published = (await store.backlog.publish([say('room:1'), say('room:unheard')])).map(({ id }) => id);
        const { position } = await ear.mark();
        expect(position).to.be.at.least(published[1]!);
        expect(ear.messages.at(-1)!.id).to.equal(published[0]);
        expect(ear.heard.at(-1)).to.deep.equal({ marked: position });
      }
    });

    it('has its place among messages that are published at the same time', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'room:1');
      const marks: Promise<unknown>[] = [];
      const publishes: Promise<unknown>[] = [];
      for (let i = 0; i < 100; i++) {
        publishes.push(store.backlog.publish([say('room:1')]));
        marks.push(ear.mark());
        if (i % 10 === 0) await Promise.all(publishes);
      }
      await Promise.all([...marks, ...publishes]);
      await ear.mark();
      let marked = BEGINNING;
      for (const event of ear.heard) {
        if (typeof event === 'string') continue;
        if ('message' in event) expect(event.message.id, 'nothing comes late').to.be.above(marked);
        else if ('marked' in event) marked = laterOf(marked, event.marked);
      }
      expect(ear.messages).to.have.length(100);
    });

    it('has the heads of the channels asked for, subscribed or not', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'room:1');
      const [one, , two] = await store.backlog.publish([say('room:1'), say('room:2'), say('room:2')]);
      const { heads, gaps } = await ear.mark('room:2', 'room:never', 'room:1');
      expect(heads).to.deep.equal([two!.id, BEGINNING, one!.id]);
      expect(gaps).to.deep.equal([]);
    });

    it('has heads of thousands of channels', async () => {
      const store = await open();
      const names = Array.from({ length: 5000 }, (_, i) => `room:${i}`);
      const ear = await Ear.at(store, ...names);
      const { id } = await publishOne(store, 'room:4321');
      const { heads } = await ear.mark(...names);
      expect(heads).to.have.length(5000);
      expect(heads.indexOf(id as never)).to.equal(4321);
      expect(heads.filter((head) => head !== BEGINNING)).to.have.length(1);
      expect(ear.messages).to.have.length(1);
    });

    it('says when the store was born: before everything, and always the same', async () => {
      const store = await open();
      const ear = await Ear.at(store);
      const first = await ear.mark();
      const { id } = await publishOne(store, 'room:1');
      const second = await ear.mark();
      expect(first.born).to.be.above(BEGINNING);
      expect(first.position).to.be.at.least(first.born);
      expect(id).to.be.above(first.position);
      expect(second.born).to.equal(first.born);
      expect(second.position).to.be.at.least(id);
    });
  });

  describe('the end of a store', () => {
    it('can come twice, and nothing is answered after it', async () => {
      const store = await open();
      await Ear.at(store, 'room:1');
      expect(await store.ping()).to.equal(true);
      await store.close();
      await store.close();
      expect(await store.ping()).to.equal(false);
      expect(await refusal(store.backlog.publish([say('room:1')]))).to.equal('redis_unavailable');
      expect(
        await refusal(readSlices(store.backlog, [{ channel: 'room:1', after: BEGINNING, upTo: BEGINNING }])),
      ).to.equal('redis_unavailable');
      let rejected = false;
      await store.source.mark([]).catch(() => {
        rejected = true;
      });
      expect(rejected).to.equal(true);
    });
  });
}
