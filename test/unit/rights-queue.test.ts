import { expect } from 'chai';
import type { ListRequest } from '../../src/backlog/backlog.ts';
import { RightsQueue } from '../../src/store/redis/rights-queue.ts';

/** Calls that were made, and are answered by hand. */
class Calls {
  readonly asked: string[][] = [];
  readonly #waiting: ((error?: Error) => void)[] = [];

  readonly run = (requests: ListRequest[]): Promise<string[]> => {
    this.asked.push(requests.map(({ user }) => user));
    return new Promise((resolve, reject) => {
      this.#waiting.push((error) => (error ? reject(error) : resolve(requests.map(({ user }) => `list of ${user}`))));
    });
  };

  async answer(error?: Error): Promise<void> {
    this.#waiting.shift()!(error);
    await turn();
  }
}

async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

function requests(size: number | undefined, ...users: string[]): ListRequest[] {
  return users.map((user) => ({ user, size }));
}

describe('the queue of those who ask for lists', () => {
  let calls: Calls;
  let queue: RightsQueue<ListRequest, string>;
  let sizes: Record<string, number>;

  beforeEach(() => {
    calls = new Calls();
    sizes = {};
    queue = new RightsQueue({ run: calls.run, sizeOf: (answer) => sizes[answer], members: 100 });
  });

  it('asks together for what is wanted at once, and answers each their own', async () => {
    const one = queue.ask(requests(1, '1'));
    const more = queue.ask(requests(1, '2', '3'));
    await turn();
    expect(calls.asked).to.deep.equal([['1', '2', '3']]);
    await calls.answer();
    expect([await one, await more]).to.deep.equal([['list of 1'], ['list of 2', 'list of 3']]);
  });

  it('weighs lists by their members, and has two calls under way', async () => {
    const all = queue.ask([
      ...requests(60, '1'),
      ...requests(30, '2'),
      ...requests(60, '3'),
      ...requests(500, '4'),
      ...requests(1, '5'),
    ]);
    await turn();
    expect(calls.asked).to.deep.equal([['1', '2'], ['3']]);
    await calls.answer();
    expect(calls.asked.slice(2)).to.deep.equal([['4']]);
    await calls.answer();
    expect(calls.asked.slice(3)).to.deep.equal([['5']]);
    await calls.answer();
    await calls.answer();
    expect(await all).to.have.length(5);
  });

  it('does not ask for what nobody waits for any more', async () => {
    const leaving = new AbortController();
    const first = queue.ask(requests(100, '1', '2'));
    const left = queue.ask([{ user: '3', signal: leaving.signal }]).catch((error: Error) => error.message);
    const stays = queue.ask(requests(1, '4'));
    await turn();
    leaving.abort(new Error('has left'));
    await calls.answer();
    expect(calls.asked).to.deep.equal([['1'], ['2'], ['4']]);
    expect(await left).to.equal('has left');
    await calls.answer();
    await calls.answer();
    expect([await first, await stays].flat()).to.have.length(3);
  });

  it('learns how long lists are of which nothing is known', async () => {
    const users = Array.from({ length: 100 }, (_, i) => String(i));
    for (const user of users) sizes[`list of ${user}`] = 100;
    for (const user of users.slice(0, 99)) {
      const asked = queue.ask(requests(undefined, user));
      await turn();
      await calls.answer();
      await asked;
    }
    calls.asked.length = 0;
    const all = queue.ask(requests(undefined, '1', '2', '3'));
    await turn();
    expect(calls.asked).to.deep.equal([['1'], ['2']]);
    for (let i = 0; i < 3; i++) await calls.answer();
    await all;
  });

  it('goes on behind a call that fails, which those learn who are in it', async () => {
    const failing = queue.ask(requests(100, '1')).catch((error: Error) => error.message);
    const others = queue.ask(requests(100, '2', '3'));
    await turn();
    await calls.answer(new Error('gone'));
    expect(await failing).to.equal('gone');
    await calls.answer();
    await calls.answer();
    expect(await others).to.deep.equal(['list of 2', 'list of 3']);
  });
});
