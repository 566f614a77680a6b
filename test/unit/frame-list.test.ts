import { expect } from 'chai';
import { FrameList } from '../../src/connection/frame-list.ts';

const frame = (text: string): Buffer => Buffer.from(text);

describe('frames that wait', () => {
  const [a, b, c] = [frame('a'), frame('bb'), frame('ccc')];

  it('are joined in their order', () => {
    const waiting = FrameList.add(FrameList.add(FrameList.add(undefined, a), b), c);
    expect(waiting.bytes).to.equal(6);
    expect(waiting.data.toString()).to.equal('abbccc');
  });

  it('are not copied where there is one', () => {
    expect(FrameList.add(undefined, a).data).to.equal(a);
  });

  it('are one list, and joined once, for all for whom they are the same', () => {
    const one = FrameList.add(FrameList.add(undefined, a), b);
    const other = FrameList.add(FrameList.add(undefined, a), b);
    expect(other).to.equal(one);
    expect(other.data).to.equal(one.data);
  });

  it('stay what they are when others go on from there', () => {
    const first = FrameList.add(undefined, a);
    const one = FrameList.add(first, b);
    const other = FrameList.add(first, c);
    const again = FrameList.add(first, b);
    expect([first, one, other, again].map(({ data }) => data.toString())).to.deep.equal(['a', 'abb', 'accc', 'abb']);
  });

  it('with the same text are not the same: a list is told by its frames', () => {
    const one = FrameList.add(undefined, frame('same'));
    const other = FrameList.add(undefined, frame('same'));
    expect(other).not.to.equal(one);
    expect(FrameList.add(FrameList.add(other, b), b).data.toString()).to.equal('samebbbb');
  });

  it('are not copied where they are large, and keep their order', () => {
    const [large, larger] = [frame('x'.repeat(40_000)), frame('y'.repeat(50_000))];
    const add = (...frames: Buffer[]) =>
      frames.reduce<FrameList | undefined>((at, one) => FrameList.add(at, one), undefined)!;
    expect(add(large).isLarge).to.equal(false);
    expect(add(a, b).isLarge).to.equal(false);
    for (const frames of [
      [a, large],
      [large, a],
      [a, b, large, larger, c, a],
    ]) {
      const waiting = add(...frames);
      expect(waiting.isLarge).to.equal(true);
      expect(Buffer.concat(waiting.parts)).to.deep.equal(Buffer.concat(frames));
      expect(waiting.parts).to.include(large);
    }
    expect(add(a, b, large, larger, c, a).parts.length).to.equal(4);
  });
});
