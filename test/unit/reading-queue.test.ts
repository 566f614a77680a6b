import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { ReadingQueue, type Turn } from '../../src/store/redis/reading-queue.ts';
import { eventually } from '../support/wait.ts';

describe('the queue of those who read backlogs', () => {
  /** Who has begun, in order. */
  let begun: string[];
  const turns = new Map<string, Turn>();

  beforeEach(() => {
    begun = [];
    turns.clear();
  });

  function enter(queue: ReadingQueue, name: string, bytes: number, signal?: AbortSignal): Promise<string> {
    return queue.enter(bytes, signal).then(
      (turn) => {
        begun.push(name);
        turns.set(name, turn);
        return 'begun';
      },
      ({ message }: Error) => message,
    );
  }

  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('lets them begin in order, and asks for so much at a time', async () => {
    const queue = new ReadingQueue(1000, 20);
    for (const name of ['a', 'b', 'c', 'd']) void enter(queue, name, 10);
    await turn();
    expect(begun).to.deep.equal(['a', 'b']);
    await turns.get('b')!.answered(10);
    await turn();
    expect(begun).to.deep.equal(['a', 'b', 'c']);
    turns.get('a')!.done();
    await turn();
    expect(begun).to.deep.equal(['a', 'b', 'c', 'd']);
  });

  it('counts what is read until it is no longer needed, and nobody overtakes who needs more', async () => {
    const queue = new ReadingQueue(100, 1000);
    for (const [name, bytes] of [
      ['a', 60],
      ['b', 60],
      ['c', 10],
    ] as const) {
      void enter(queue, name, bytes);
    }
    await turn();
    expect(begun).to.deep.equal(['a']);
    await turns.get('a')!.answered(50);
    await turn();
    expect(begun).to.deep.equal(['a']);
    turns.get('a')!.done();
    turns.get('a')!.done();
    await turn();
    expect(begun).to.deep.equal(['a', 'b', 'c']);
    // Done twice frees once.
    void enter(queue, 'd', 40);
    await turn();
    expect(begun).to.deep.equal(['a', 'b', 'c']);
  });

  it('lets one have more than the budget, alone', async () => {
    const queue = new ReadingQueue(100, 1000);
    for (const name of ['a', 'b']) void enter(queue, name, 500);
    await turn();
    expect(begun).to.deep.equal(['a']);
    turns.get('a')!.done();
    await turn();
    expect(begun).to.deep.equal(['a', 'b']);
  });

  it('forgets who has gone', async () => {
    const queue = new ReadingQueue(100, 1000);
    const gone = new AbortController();
    void enter(queue, 'a', 60);
    const b = enter(queue, 'b', 60, gone.signal);
    const c = enter(queue, 'c', 40);
    await turn();
    gone.abort(new Error('gone'));
    expect(await b).to.equal('gone');
    expect(await enter(queue, 'd', 1, gone.signal)).to.equal('gone');
    turns.get('a')!.done();
    expect(await c).to.equal('begun');
    expect(begun).to.deep.equal(['a', 'c']);
  });

  it('lets first what is urgent, whoever has a page still', async () => {
    const queue = new ReadingQueue(100, 1000);
    for (const name of ['a', 'b']) void enter(queue, name, 60);
    await turn();
    await turns.get('a')!.answered(60);
    void queue.enter(60, undefined, true).then(() => begun.push('urgent'));
    await turn();
    expect(begun).to.deep.equal(['a', 'urgent']);
  });

  it('waits for none that takes its page slowly', async () => {
    const queue = new ReadingQueue(100, 1000);
    void enter(queue, 'a', 100);
    void enter(queue, 'b', 100);
    await turn();
    await turns.get('a')!.answered(100);
    await wait(100);
    expect(begun).to.deep.equal(['a']);
    await eventually(() => begun.length === 2, 2000);
  });

  it('gives one page of size a turn of the event loop', async () => {
    const queue = new ReadingQueue(1_000_000, 1_000_000);
    for (const name of ['a', 'b', 'c']) void enter(queue, name, 100_000);
    await turn();
    const given: string[] = [];
    for (const [name, one] of turns) void one.answered(100_000).then(() => given.push(name));
    let before = 0;
    while (given.length < 3) {
      await turn();
      expect(given.length - before).to.be.at.most(1);
      before = given.length;
    }
  });
});
