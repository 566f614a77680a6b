import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { newToken, type TokenState } from '../../src/message/token.ts';
import type { Store } from '../../src/store/store.ts';
import { eventually } from '../support/wait.ts';
import { disconnectsIn } from './disconnects.ts';
import { refusal } from './publishing.ts';
import { Ear, type Open } from './store.ts';

const HOUR = 3_600_000;

async function stateOf({ tokens }: Store, token: { user: string; hash: string }): Promise<TokenState> {
  const [state] = await tokens.read([token]);
  return state!;
}

export function tokensContract(open: Open): void {
  describe('a token', () => {
    it('is valid from when it was added until its time is over, and then known to have ended', async () => {
      const store = await open();
      const token = newToken('7');
      expect(await stateOf(store, token)).to.equal('unknown');
      const before = Date.now();
      expect(await store.tokens.add(token, HOUR)).to.be.within(before + HOUR - 50, Date.now() + HOUR + 50);
      expect(await stateOf(store, token)).to.be.within(HOUR - 5000, HOUR);
      expect(await stateOf(store, { user: '8', hash: token.hash })).to.equal('unknown');
      const short = newToken('7');
      await store.tokens.add(short, 1000);
      await wait(1050);
      expect(await stateOf(store, short)).to.equal('expired');
      expect(await stateOf(store, token)).to.be.a('number');
    });

    it('is revoked alone, and ends the streams that were opened with it', async () => {
      const store = await open();
      const ear = await Ear.at(store);
      const [one, other] = [newToken('auth0|7'), newToken('auth0|7')];
      for (const token of [one, other]) await store.tokens.add(token, HOUR);
      expect(await store.tokens.revoke(one)).to.equal(1);
      expect(await store.tokens.revoke(one)).to.equal(0);
      expect([await stateOf(store, one), typeof (await stateOf(store, other))]).to.deep.equal(['revoked', 'number']);
      await eventually(() => disconnectsIn(ear).length > 0);
      expect(disconnectsIn(ear)[0]).to.include({ user: 'auth0|7', credential: one.hash });
    });

    it('is revoked with all others of its user, and all streams of the user end', async () => {
      const store = await open();
      const ear = await Ear.at(store);
      const tokens = Array.from({ length: 1000 }, () => newToken('7'));
      for (const token of tokens) await store.tokens.add(token, HOUR);
      const other = newToken('70');
      await store.tokens.add(other, HOUR);
      expect(await store.tokens.revoke({ user: '7' })).to.equal(1000);
      expect(await store.tokens.revoke({ user: '7' })).to.equal(0);
      expect(new Set(await store.tokens.read(tokens))).to.deep.equal(new Set(['revoked']));
      expect(await stateOf(store, other)).to.be.a('number');
      await eventually(() => disconnectsIn(ear).length > 0);
      expect(disconnectsIn(ear)[0]).to.include({ user: '7', credential: undefined });
      const fresh = newToken('7');
      await store.tokens.add(fresh, HOUR);
      expect(await stateOf(store, fresh)).to.be.a('number');
    });

    it('is looked up with many others at once, each in its place', async () => {
      const store = await open();
      const tokens = Array.from({ length: 600 }, (_, i) => newToken(`u.${i}`));
      for (const token of tokens.filter((_, i) => i % 3 === 0)) await store.tokens.add(token, HOUR);
      await store.tokens.revoke(tokens[3]!);
      const states = await store.tokens.read(tokens);
      expect(states.map((state) => (typeof state === 'number' ? 'valid' : state))).to.deep.equal(
        tokens.map((_, i) => (i === 3 ? 'revoked' : i % 3 === 0 ? 'valid' : 'unknown')),
      );
      expect(await store.tokens.read([])).to.deep.equal([]);
    });

    it('belongs to a user id, and to nothing else', async () => {
      const store = await open();
      for (const user of ['', '*', '1:channels', 'a b', 'ü']) {
        expect(await refusal(store.tokens.add({ ...newToken('7'), user }, HOUR)), user).to.equal('bad_user');
        expect(await refusal(store.tokens.revoke({ user })), user).to.equal('bad_user');
      }
      const odd = newToken('__proto__');
      expect(await stateOf(store, odd)).to.equal('unknown');
      await store.tokens.add(odd, HOUR);
      expect(await stateOf(store, odd)).to.be.a('number');
    });

    it('of a store that has been closed is not unknown: it cannot be looked up', async () => {
      const store = await open();
      await store.close();
      expect(await refusal(store.tokens.read([newToken('7')]))).to.equal('redis_unavailable');
    });
  });
}
