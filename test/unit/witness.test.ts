import { expect } from 'chai';
import type { Position } from '../../src/message/position.ts';
import { Witness } from '../../src/recorder/witness.ts';

const at = (id: number) => id as Position;
const between = (from: number, to: number) => ({ from: at(from), to: at(to) });

describe('a witness', () => {
  it('knows which channels had a record in a part of the order, by the last of each', () => {
    const witness = new Witness();
    witness.anchored(at(100));
    for (const [channel, id] of [
      ['room:1', 110],
      ['room:2', 120],
      ['room:1', 130],
      ['room:3', 140],
    ] as const) {
      witness.hear(channel, at(id));
    }
    expect(witness.testify(between(115, 200))).to.deep.equal({
      channels: ['room:2', 'room:1', 'room:3'],
      heardAll: true,
    });
    expect(witness.testify(between(120, 140)).channels).to.deep.equal(['room:1']);
    expect(witness.testify(between(140, 200))).to.deep.equal({ channels: [], heardAll: true });
    expect(witness.floor).to.equal(140);
  });

  it('has heard everything only behind its first anchor since it was interrupted', () => {
    const witness = new Witness();
    witness.hear('room:1', at(90));
    expect(witness.testify(between(80, 200))).to.deep.equal({ channels: ['room:1'], heardAll: false });
    witness.anchored(at(100));
    witness.anchored(at(150));
    expect(witness.testify(between(100, 200)).heardAll).to.equal(true);
    expect(witness.testify(between(99, 200)).heardAll).to.equal(false);
    witness.interrupt();
    expect(witness.testify(between(150, 200)).heardAll).to.equal(false);
    witness.anchored(at(160));
    expect(witness.testify(between(150, 200)).heardAll).to.equal(false);
    expect(witness.testify(between(160, 200)).heardAll).to.equal(true);
  });

  it('remembers so many channels, and has not heard all where it has forgotten one', () => {
    const witness = new Witness(2);
    witness.anchored(at(100));
    witness.hear('room:1', at(110));
    witness.hear('room:2', at(120));
    witness.hear('room:1', at(130));
    expect(witness.testify(between(100, 200)).heardAll).to.equal(true);
    witness.hear('room:3', at(140));
    expect(witness.testify(between(100, 200))).to.deep.equal({ channels: ['room:1', 'room:3'], heardAll: false });
    expect(witness.testify(between(120, 200)).heardAll).to.equal(true);
  });

  it('does not believe an id that is far from the last anchor', () => {
    const witness = new Witness();
    witness.anchored(at(1_795_000_000_000_000));
    witness.hear('room:1', at(8_000_000_000_000_000));
    expect(witness.floor).to.equal(1_795_000_000_000_000);
    expect(witness.testify(between(0, 9_000_000_000_000_000)).channels).to.deep.equal([]);
  });
});
