import { expect } from 'chai';
import type { ErrorCode } from '../../src/errors.ts';
import { SisyphusError } from '../../src/errors.ts';
import { BEGINNING } from '../../src/message/position.ts';
import { Ear, kept, type Open, publishOne, say, texts } from './store.ts';

/** The code that a call is refused with. */
export async function refusal(call: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await call;
    return 'none';
  } catch (error) {
    if (error instanceof SisyphusError) return error.code;
    throw error;
  }
}

const ODD_NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'a'.repeat(128),
  'x',
  '.',
  'a.b-c_d:e',
  `user:${'u'.repeat(128)}`,
  'user:a+b@c.d',
];
const NO_NAMES = [
  '',
  ' ',
  'a b',
  'room:é',
  'a'.repeat(129),
  'sisyphus:x',
  'user:a/b',
  'room:1\n',
  'room:*',
  'r{0}',
  'a\0b',
];

export function publishingContract(open: Open): void {
  describe('publishing', () => {
    it('answers ids that rise over all channels, and revisions without holes in each', async () => {
      const { backlog } = await open();
      const answers = [];
      for (let i = 0; i < 20; i++) answers.push(...(await backlog.publish([say(`room:${i % 3}`), say('room:0')])));
      expect(answers.map(({ id }) => id)).to.deep.equal(answers.map(({ id }) => id).sort((a, b) => a - b));
      expect(new Set(answers.map(({ id }) => id)).size).to.equal(40);
      for (const channel of ['room:0', 'room:1', 'room:2']) {
        const revisions = answers.filter((answer) => answer.channel === channel).map(({ revision }) => revision);
        expect(revisions).to.deep.equal(revisions.map((_, i) => i + 1));
      }
    });

    it('answers a position between what was published before and what is published later', async () => {
      const store = await open();
      const ids: number[] = [];
      for (let i = 0; i < 5; i++) {
        ids.push((await publishOne(store, 'room:1', `${i}`)).id, await store.backlog.position());
      }
      expect(ids).to.deep.equal([...new Set(ids)].sort((a, b) => a - b));
    });

    it('keeps one order when many publish at once: each channel a chain from message to message', async () => {
      const store = await open();
      const channels = Array.from({ length: 5 }, (_, i) => `room:${i}`);
      const ear = await Ear.at(store, ...channels);
      await Promise.all(Array.from({ length: 200 }, (_, i) => store.backlog.publish([say(channels[i % 5]!, `${i}`)])));
      await ear.mark();
      const ids = ear.messages.map(({ id }) => id);
      expect(ids).to.have.length(200);
      expect(ids).to.deep.equal([...ids].sort((a, b) => a - b));
      for (const channel of channels) {
        const own = ear.messages.filter((message) => message.channel === channel);
        expect(own.map(({ revision }) => revision)).to.deep.equal(own.map((_, i) => i + 1));
        expect(own.map(({ previous }) => previous)).to.deep.equal([BEGINNING, ...own.slice(0, -1).map(({ id }) => id)]);
        expect(texts(await kept(store, channel))).to.deep.equal(texts(own));
      }
    });

    it('takes the same text twice for two messages', async () => {
      const store = await open();
      const [first] = await store.backlog.publish([say('room:1', 'same')]);
      const [second] = await store.backlog.publish([say('room:1', 'same')]);
      expect(second!.id).to.be.above(first!.id);
      expect(texts(await kept(store, 'room:1'))).to.deep.equal(['same', 'same']);
    });

    it('publishes a batch in its order, and nothing for nothing', async () => {
      const store = await open();
      const answer = await store.backlog.publish([say('a:1', '1'), say('b:1', '2'), say('a:1', '3')]);
      expect(answer.map(({ channel, revision }) => [channel, revision])).to.deep.equal([
        ['a:1', 1],
        ['b:1', 1],
        ['a:1', 2],
      ]);
      expect(answer[1]!.id).to.be.above(answer[0]!.id);
      expect(answer[2]!.id).to.be.above(answer[1]!.id);
      expect(await store.backlog.publish([])).to.deep.equal([]);
    });

    it('keeps the trace with each message of the call, and none without one', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'a:1', 'user:7');
      const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      await store.backlog.publish([say('a:1', '1'), say('user:7', '2', 'moved')], undefined, trace);
      await store.backlog.publish([say('a:1', '3')], { key: 'k', fingerprint: 'f' }, trace);
      await store.backlog.publish([say('a:1', '4')]);
      await ear.mark();
      const expected = [trace, trace, trace, undefined];
      expect(ear.messages.map((message) => message.trace)).to.deep.equal(expected);
      const stored = [...(await kept(store, 'a:1')), ...(await kept(store, 'user:7'))];
      expect(stored.map((message) => message.trace)).to.deep.equal([trace, trace, undefined, trace]);
      expect(texts(ear.messages)).to.deep.equal(['1', '2', '3', '4']);
    });

    it('publishes nothing of a batch that has one mistake', async () => {
      const store = await open({ maxMessage: 100 });
      const ear = await Ear.at(store, 'room:1', 'room:2');
      const mistakes: [ErrorCode, ReturnType<typeof say>][] = [
        ['bad_channel', say('no channel')],
        ['bad_event', say('room:2', 'x', 'a\rb')],
        ['too_large', say('room:2', 'x'.repeat(101))],
      ];
      for (const [code, mistake] of mistakes) {
        expect(await refusal(store.backlog.publish([say('room:1'), mistake, say('room:2')]))).to.equal(code);
      }
      const { heads } = await ear.mark('room:1', 'room:2');
      expect(heads).to.deep.equal([BEGINNING, BEGINNING]);
      expect(ear.messages).to.deep.equal([]);
      expect((await store.backlog.publish([say('room:1', 'x'.repeat(100))]))[0]!.revision).to.equal(1);
    });

    it('refuses what is no channel name, and what is no event name', async () => {
      const { backlog } = await open();
      for (const name of NO_NAMES) {
        expect(await refusal(backlog.publish([say(name)])), JSON.stringify(name)).to.equal('bad_channel');
      }
      for (const event of ['reset', 'denied', 'open', 'error', 'message', 'a b', 'é', 'a\nb', 'a\r', 'x'.repeat(129)]) {
        expect(await refusal(backlog.publish([say('room:1', 'x', event)])), JSON.stringify(event)).to.equal(
          'bad_event',
        );
      }
    });

    it('takes every channel name for itself, whatever it means elsewhere', async () => {
      const store = await open();
      const ear = await Ear.at(store, ...ODD_NAMES);
      for (const name of ODD_NAMES) {
        const { revision } = await publishOne(store, name, name);
        expect(revision, name).to.equal(1);
      }
      const { heads } = await ear.mark(...ODD_NAMES);
      expect(texts(ear.messages)).to.deep.equal(ODD_NAMES);
      expect(ear.messages.map(({ channel }) => channel)).to.deep.equal(ODD_NAMES);
      expect(heads).to.deep.equal(ear.messages.map(({ id }) => id));
      for (const name of ODD_NAMES) expect(texts(await kept(store, name)), name).to.deep.equal([name]);
    });

    it('keeps every byte, live and in the backlog', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'room:1');
      const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const payloads = [
        every,
        Buffer.alloc(0),
        Buffer.from('\n'),
        Buffer.from('1 2 3 - - -\nx'),
        Buffer.alloc(262_144, every),
      ];
      for (const data of payloads) await store.backlog.publish([{ channel: 'room:1', data }]);
      await ear.mark();
      for (const messages of [ear.messages, await kept(store, 'room:1')]) {
        expect(messages).to.have.length(payloads.length);
        for (const [i, { payload }] of messages.entries()) expect(payload.equals(payloads[i]!), `${i}`).to.equal(true);
      }
    });

    it('keeps what was published, not what becomes of the buffer', async () => {
      const store = await open();
      const data = Buffer.from('before');
      await store.backlog.publish([{ channel: 'room:1', data }]);
      data.write('after!');
      expect(texts(await kept(store, 'room:1'))).to.deep.equal(['before']);
    });

    it('keeps the name of the event', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'room:1');
      await store.backlog.publish([say('room:1', 'x', 'moved:up.1-a_b'), say('room:1', 'y')]);
      await ear.mark();
      for (const messages of [ear.messages, await kept(store, 'room:1')]) {
        expect(messages.map(({ event }) => event)).to.deep.equal(['moved:up.1-a_b', undefined]);
      }
    });
  });

  describe('publishing with an idempotency key', () => {
    const batch = [say('room:1', 'one'), say('room:2', 'two')];

    it('answers the second time what it answered the first time, and publishes nothing', async () => {
      const store = await open();
      const key = { key: 'k', fingerprint: 'f' };
      const first = await store.backlog.publish(batch, key);
      expect(await store.backlog.publish(batch, key)).to.deep.equal(first);
      expect(await kept(store, 'room:1')).to.have.length(1);
      expect(await kept(store, 'room:2')).to.have.length(1);
    });

    it('publishes once when the same comes many times at once', async () => {
      const store = await open();
      const key = { key: 'k', fingerprint: 'f' };
      const [first, ...others] = await Promise.all(Array.from({ length: 10 }, () => store.backlog.publish(batch, key)));
      for (const other of others) expect(other).to.deep.equal(first);
      expect(await kept(store, 'room:1')).to.have.length(1);
    });

    it('refuses the key for another request, and publishes nothing', async () => {
      const store = await open();
      await store.backlog.publish(batch, { key: 'k', fingerprint: 'f' });
      const other = store.backlog.publish([say('room:1', 'other')], { key: 'k', fingerprint: 'g' });
      expect(await refusal(other)).to.equal('idempotency_conflict');
      expect(texts(await kept(store, 'room:1'))).to.deep.equal(['one']);
    });

    it('does not remember what was refused', async () => {
      const store = await open();
      const key = { key: 'k', fingerprint: 'f' };
      expect(await refusal(store.backlog.publish([say('no channel')], key))).to.equal('bad_channel');
      expect(await store.backlog.publish(batch, key)).to.have.length(2);
    });

    it('grants and revokes once, and tells of it once', async () => {
      const store = await open();
      const grant = { key: 'k', fingerprint: 'f' };
      const revoke = { key: 'l', fingerprint: 'g' };
      const granted = await store.backlog.grant('7', 'room:1', undefined, grant);
      const revoked = await store.backlog.revoke('7', 'room:1', Buffer.from('bye'), revoke);
      expect(await store.backlog.grant('7', 'room:1', undefined, grant)).to.deep.equal(granted);
      expect(await store.backlog.revoke('7', 'room:1', Buffer.from('bye'), revoke)).to.deep.equal(revoked);
      const other = store.backlog.revoke('7', 'room:1', undefined, { key: 'k', fingerprint: 'h' });
      expect(await refusal(other)).to.equal('idempotency_conflict');
      expect(await kept(store, 'user:7')).to.have.length(2);
      const [rights] = await store.backlog.rights([{ user: '7' }]);
      expect([...rights!.channels]).to.deep.equal([]);
    });

    it('takes any key for itself', async () => {
      const store = await open();
      const keys = ['__proto__', 'constructor', 'k'.repeat(255), 'a b:c*', '0', 'é'];
      for (const key of keys) await store.backlog.publish([say('room:1', key)], { key, fingerprint: 'f' });
      for (const key of keys) await store.backlog.publish([say('room:1', key)], { key, fingerprint: 'f' });
      expect(texts(await kept(store, 'room:1'))).to.deep.equal(keys);
    });
  });
}
