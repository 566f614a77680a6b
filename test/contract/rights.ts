import { expect } from 'chai';
import { placeOf } from '../../src/message/place.ts';
import type { Position } from '../../src/message/position.ts';
import type { Store } from '../../src/store/store.ts';
import { refusal } from './publishing.ts';
import { Ear, type Open, say, texts } from './store.ts';

export async function rightsOf(store: Store, user: string) {
  const [rights] = await store.backlog.rights([{ user }]);
  return rights!;
}

export function rightsContract(open: Open): void {
  describe('rights', () => {
    it('are none at first', async () => {
      const store = await open();
      const { channels, problem } = await rightsOf(store, '7');
      expect([...channels]).to.deep.equal([]);
      expect(problem).to.equal(undefined);
    });

    it('grow by a grant, which tells the user so in the same step, and counts from there', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'user:7');
      const before = await rightsOf(store, '7');
      const { channel, id, revision } = await store.backlog.grant('7', 'room:918');
      expect({ channel, revision }).to.deep.equal({ channel: 'user:7', revision: 1 });
      const after = await rightsOf(store, '7');
      expect([...after.channels]).to.deep.equal([['room:918', id]]);
      expect(after.version).to.be.above(before.version);
      await ear.mark();
      expect(texts(ear.messages)).to.deep.equal(['<message><grant><channel>room:918</channel></grant></message>']);
      const [message] = ear.messages;
      expect(message!.id).to.equal(id);
      expect(message!.rights).to.deep.equal({
        before: before.version,
        now: after.version,
        changes: [{ channel: 'room:918', kind: 'granted', place: placeOf(id) }],
      });
    });

    it('shrink by a revocation, which tells the user so in the same step', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'user:7');
      await store.backlog.grant('7', 'room:1');
      await store.backlog.grant('7', 'room:2');
      const before = await rightsOf(store, '7');
      const { id } = await store.backlog.revoke('7', 'room:1');
      const after = await rightsOf(store, '7');
      expect([...after.channels.keys()]).to.deep.equal(['room:2']);
      expect(after.channels.get('room:2')).to.equal(before.channels.get('room:2'));
      await ear.mark();
      expect(texts(ear.messages).at(-1)).to.equal('<message><revoke><channel>room:1</channel></revoke></message>');
      expect(ear.messages.at(-1)!.rights).to.deep.equal({
        before: before.version,
        now: after.version,
        changes: [{ channel: 'room:1', kind: 'revoked', place: placeOf(id) }],
      });
    });

    it('tell the user what the application says instead', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'user:7');
      await store.backlog.grant('7', 'room:1', Buffer.from('welcome\n'));
      await store.backlog.revoke('7', 'room:1', Buffer.alloc(0));
      await ear.mark();
      expect(texts(ear.messages)).to.deep.equal(['welcome\n', '']);
    });

    it('chain their versions from message to message', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'user:7');
      const { version } = await rightsOf(store, '7');
      for (let i = 0; i < 5; i++) {
        await store.backlog.grant('7', `room:${i}`);
        await store.backlog.publish([say('user:7', 'between')]);
        if (i % 2) await store.backlog.revoke('7', `room:${i - 1}`);
      }
      await ear.mark();
      let known: Position = version;
      for (const { rights, payload } of ear.messages) {
        expect(rights!.before).to.equal(known);
        known = rights!.now;
        if (payload.toString() === 'between') expect(rights!.now).to.equal(rights!.before);
        else expect(rights!.now).to.be.above(rights!.before);
      }
      const last = await rightsOf(store, '7');
      expect(last.version).to.equal(known);
      expect([...last.channels.keys()].sort()).to.deep.equal(['room:1', 'room:3', 'room:4']);
    });

    it('do not change by what is the case already, and the user is told all the same', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'user:7');
      const { id } = await store.backlog.grant('7', 'room:1');
      const before = await rightsOf(store, '7');
      await store.backlog.grant('7', 'room:1');
      await store.backlog.revoke('7', 'room:2');
      const after = await rightsOf(store, '7');
      expect(after).to.deep.equal(before);
      expect([...after.channels]).to.deep.equal([['room:1', id]]);
      await ear.mark();
      expect(ear.messages).to.have.length(3);
      for (const { rights } of ear.messages.slice(1)) {
        expect(rights).to.deep.equal({ before: before.version, now: before.version, changes: [] });
      }
    });

    it('are told with the changes that led to them, each at its place', async () => {
      const store = await open();
      await rightsOf(store, '7');
      const granted = await store.backlog.grant('7', 'room:1');
      const revoked = await store.backlog.revoke('7', 'room:1');
      const again = await store.backlog.grant('7', 'room:1');
      const { changes, unsettled } = await rightsOf(store, '7');
      expect(changes).to.deep.equal([
        { channel: 'room:1', kind: 'granted', place: placeOf(granted.id) },
        { channel: 'room:1', kind: 'revoked', place: placeOf(revoked.id) },
        { channel: 'room:1', kind: 'granted', place: placeOf(again.id) },
      ]);
      expect(unsettled).to.equal(false);
    });

    it('count from the last grant', async () => {
      const store = await open();
      await store.backlog.grant('7', 'room:1');
      await store.backlog.revoke('7', 'room:1');
      const { id } = await store.backlog.grant('7', 'room:1');
      expect((await rightsOf(store, '7')).channels.get('room:1')).to.equal(id);
    });

    it('are read for many users at once, and only where the version is another one', async () => {
      const store = await open();
      const granted = await store.backlog.grant('1', 'room:1');
      await store.backlog.grant('2', 'room:2');
      const known = (await rightsOf(store, '2')).version;
      const [one, two, three, again] = await store.backlog.rights([
        { user: '1', known: (granted.id - 1) as Position },
        { user: '2', known },
        { user: '3' },
        { user: '1' },
      ]);
      expect([...one!.channels.keys()]).to.deep.equal(['room:1']);
      expect(two).to.equal(undefined);
      expect([...three!.channels.keys()]).to.deep.equal([]);
      expect(again).to.deep.equal(one);
      expect(await store.backlog.rights([{ user: '3', known: three!.version }])).to.deep.equal([undefined]);
      expect(await store.backlog.rights([])).to.deep.equal([]);
    });

    it("are each user's own, whatever the user is called", async () => {
      const store = await open();
      const users = ['__proto__', 'constructor', 'a+b@c.d', 'u'.repeat(128), '-', '7'];
      for (const [i, user] of users.entries()) await store.backlog.grant(user, `room:${i}`);
      for (const [i, user] of users.entries()) {
        expect([...(await rightsOf(store, user)).channels.keys()], user).to.deep.equal([`room:${i}`]);
      }
    });

    it('are refused where the user or the channel is none', async () => {
      const store = await open({ maxMessage: 100 });
      for (const user of ['', '1:channels', 'a b', 'u'.repeat(129), '*', '7\n']) {
        expect(await refusal(store.backlog.grant(user, 'room:1')), user).to.equal('bad_user');
        expect(await refusal(store.backlog.revoke(user, 'room:1')), user).to.equal('bad_user');
      }
      for (const channel of ['', 'a b', 'sisyphus:x', '*']) {
        expect(await refusal(store.backlog.grant('7', channel)), channel).to.equal('bad_channel');
      }
      expect(await refusal(store.backlog.grant('7', 'room:1', Buffer.alloc(101)))).to.equal('too_large');
      expect([...(await rightsOf(store, '7')).channels]).to.deep.equal([]);
    });

    it("come with every message on the user's own channel, and with no other", async () => {
      const store = await open();
      const ear = await Ear.at(store, 'user:7', 'user:7:channels', 'room:1');
      const { version } = await rightsOf(store, '7');
      await store.backlog.publish([say('user:7'), say('user:7:channels'), say('room:1')]);
      await ear.mark();
      expect(ear.messages.map(({ rights }) => rights)).to.deep.equal([
        { before: version, now: version, changes: [] },
        undefined,
        undefined,
      ]);
    });
  });
}
