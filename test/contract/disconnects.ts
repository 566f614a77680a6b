import { expect } from 'chai';
import type { Disconnect } from '../../src/message/disconnect.ts';
import { eventually } from '../support/wait.ts';
import { refusal } from './publishing.ts';
import { Ear, type Open, publishOne } from './store.ts';

export const disconnectsIn = ({ heard }: Ear): Disconnect[] =>
  heard.flatMap((event) => (typeof event === 'object' && 'disconnected' in event ? [event.disconnected] : []));

export function disconnectsContract(open: Open): void {
  describe('a disconnect', () => {
    it('is heard by everybody, whatever is subscribed, with the time at which it was made', async () => {
      const store = await open();
      const ear = await Ear.at(store);
      const before = performance.now();
      const { id } = await publishOne(store, 'room:1');
      expect(await store.backlog.disconnect('7')).to.be.above(id);
      const after = performance.now();
      await eventually(() => disconnectsIn(ear).length > 0);
      const [{ user, credential, at } = {} as Disconnect] = disconnectsIn(ear);
      expect({ user, credential }).to.deep.equal({ user: '7', credential: undefined });
      // The clock of the store may be read a little later.
      expect(at).to.be.within(before, after + 50);
    });

    it('is heard for each of many users, and after what was published before it', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'room:1');
      const users = Array.from({ length: 50 }, (_, i) => `user.${i}`);
      await publishOne(store, 'room:1');
      await Promise.all(users.map((user) => store.backlog.disconnect(user)));
      await eventually(() => new Set(disconnectsIn(ear).map(({ user }) => user)).size === users.length);
      const first = (name: string): number =>
        ear.heard.findIndex((event) => typeof event === 'object' && name in event);
      expect(first('message')).to.be.below(first('disconnected'));
      expect(first('message')).to.be.at.least(0);
    });

    it('is of a user id, and of nothing else', async () => {
      const store = await open();
      for (const user of ['', '*', '1:channels', 'a b', 'user:7', 'ü', 'x'.repeat(129)])
        expect(await refusal(store.backlog.disconnect(user)), user).to.equal('bad_user');
    });
  });
}
