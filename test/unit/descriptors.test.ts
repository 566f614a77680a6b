import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { expect } from 'chai';
import { Counters } from '../../src/counters.ts';
import { BoundedLog } from '../../src/http/bounded-log.ts';
import { Descriptors } from '../../src/http/descriptors.ts';
import { createAdmission } from '../../src/http/file-limit.ts';
import { createLogger } from '../../src/logger.ts';

const socket = (fd: number | undefined): Socket => ({ _handle: { fd } }) as unknown as Socket;

describe('the files that the process may open', () => {
  let now: number;
  let limit: number | undefined;
  let open: number;
  let read: number;
  let counted: number;
  let descriptors: Descriptors;

  beforeEach(() => {
    [now, limit, open, read, counted] = [0, 1024, 30, 0, 0];
    descriptors = new Descriptors({
      now: () => now,
      readLimit: () => {
        read++;
        return limit;
      },
      countOpen: async () => {
        counted++;
        return open;
      },
    });
  });

  it('are enough until an eighth of them is left, and none are left for a stranger at the last 32', () => {
    expect(descriptors.accept(socket(895))).to.equal('enough');
    expect(descriptors.accept(socket(896))).to.equal('little');
    expect(descriptors.accept(socket(991))).to.equal('little');
    expect(descriptors.accept(socket(992))).to.equal('none');
  });

  it('are kept from a stranger at the last 32, whose connection is closed and counted', () => {
    const counters = new Counters();
    const admits = createAdmission(createServer(), descriptors, counters, new BoundedLog(createLogger('silent')));
    const closed: number[] = [];
    const tried = [895, 896, 991, 992, 993].filter((fd) => {
      const stranger = Object.assign(socket(fd), { destroy: () => closed.push(fd) });
      return admits(stranger as unknown as Socket);
    });
    expect([tried, closed]).to.deep.equal([
      [895, 896, 991],
      [992, 993],
    ]);
    expect(counters.snapshot().dropped).to.equal(2);
  });

  it('leave room also where there are very few, and no more than is needed where there are very many', () => {
    limit = 64;
    expect([47, 48, 59, 60].map((fd) => descriptors.roomFor(socket(fd)))).to.deep.equal([
      'enough',
      'little',
      'little',
      'none',
    ]);
    limit = 1_000_000;
    now += 100;
    expect(descriptors.roomFor(socket(999_871))).to.equal('enough');
    expect(descriptors.roomFor(socket(999_872))).to.equal('little');
  });

  it('are always enough where nobody can tell', () => {
    expect(descriptors.accept(socket(undefined))).to.equal('enough');
    expect(descriptors.accept({} as Socket)).to.equal('enough');
    limit = undefined;
    now += 100;
    const blind = new Descriptors({ readLimit: () => undefined, now: () => now });
    expect(blind.accept(socket(100_000))).to.equal('enough');
    expect(blind.lacks(1_000_000)).to.equal(undefined);
    limit = Number.POSITIVE_INFINITY;
    expect(descriptors.accept(socket(1_000_000))).to.equal('enough');
  });

  it('are looked up ten times a second at most, and keep their number where that fails', () => {
    for (let i = 0; i < 1000; i++) descriptors.accept(socket(900));
    expect(read).to.equal(1);
    now += 100;
    limit = undefined;
    expect(descriptors.accept(socket(900))).to.equal('little');
    expect(read).to.equal(2);
  });

  it('are too few for so many streams, and the gateway needs some of its own', () => {
    expect(descriptors.lacks(10_000)).to.deep.equal({ limit: 1024, needed: 10_192 });
    expect(descriptors.lacks(832)).to.equal(undefined);
    expect(descriptors.lacks(833)).to.deep.equal({ limit: 1024, needed: 1025 });
  });

  it('are counted only if the last connection found few, and once for all who ask at a time', async () => {
    descriptors.accept(socket(40));
    expect(await descriptors.isShort()).to.equal(false);
    expect(counted).to.equal(0);
    descriptors.accept(socket(900));
    open = 1000;
    expect(await Promise.all([descriptors.isShort(), descriptors.isShort()])).to.deep.equal([true, true]);
    expect(counted).to.equal(1);
    // Connections have ended since, and no other has come.
    open = 500;
    expect(await descriptors.isShort()).to.equal(false);
    expect(await descriptors.isShort()).to.equal(false);
    expect(counted).to.equal(2);
  });

  it('are known of this process', () => {
    const { limit: own } = new Descriptors();
    if (process.platform === 'linux') expect(own).to.be.greaterThan(50);
    else expect(own).to.equal(undefined);
  });
});
