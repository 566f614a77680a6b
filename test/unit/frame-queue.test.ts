import { expect } from 'chai';
import { FrameQueue } from '../../src/connection/frame-queue.ts';

describe('frames of which a later one may replace an earlier one', () => {
  const frame = (text: string): Buffer => Buffer.from(text);
  let queue: FrameQueue;

  beforeEach(() => {
    queue = new FrameQueue();
  });

  const texts = (): string[] => queue.frames.map((one) => one.toString());

  it('stay in their order without a key', () => {
    for (const text of ['a', 'bb', 'a']) queue.add(frame(text));
    expect([texts(), queue.bytes]).to.deep.equal([['a', 'bb', 'a'], 4]);
  });

  it('are the newest of each key, behind what came before it', () => {
    queue.add(frame('x1'), 'x');
    queue.add(frame('y1'), 'y');
    queue.add(frame('a'));
    queue.add(frame('x22'), 'x');
    queue.add(frame('b'));
    expect(queue.bytesOf('x')).to.equal(3);
    queue.add(frame('x3'), 'x');
    expect(texts()).to.deep.equal(['y1', 'a', 'b', 'x3']);
    expect(queue.bytes).to.equal(6);
    expect([queue.bytesOf('x'), queue.bytesOf('z'), queue.bytesOf(undefined)]).to.deep.equal([2, 0, 0]);
  });

  it('keep apart keys that are numbers in words, and frames without a key', () => {
    queue.add(frame('a'));
    queue.add(frame('b'), '0');
    queue.add(frame('c'));
    queue.add(frame('d'), '0');
    expect(texts()).to.deep.equal(['a', 'c', 'd']);
  });
});
