import { expect } from 'chai';
import { LocalLimits } from '../../src/limits/local-limits.ts';
import { Permit, Permits } from '../../src/session/permits.ts';

const ADDRESS = '192.0.2.1';

describe('the permits of streams', () => {
  let refused: number;
  let permits: Permits;

  beforeEach(() => {
    refused = 0;
    const onFull = (): void => void refused++;
    permits = new Permits({ limits: new LocalLimits(), maxStreams: 3, maxStreamsPerAddress: 2, onFull });
  });

  async function take(address?: string): Promise<Permit> {
    const permit = await permits.take(address);
    if (!(permit instanceof Permit)) throw new Error(permit);
    return permit;
  }

  it('are counted by address and all together, and the limit that is reached is named', async () => {
    await take(ADDRESS);
    await take(ADDRESS);
    expect(await permits.take(ADDRESS)).to.equal('SISYPHUS_MAX_STREAMS_PER_ADDRESS');
    await take();
    expect(await permits.take('192.0.2.2')).to.equal('SISYPHUS_MAX_STREAMS');
    expect([refused, permits.isFull(ADDRESS), permits.isFull('192.0.2.2')]).to.deep.equal([2, true, false]);
  });

  it('that are refused because there are too many streams do not count for their address', async () => {
    const others = [await take(), await take(), await take()];
    for (let i = 0; i < 3; i++) expect(await permits.take(ADDRESS)).to.equal('SISYPHUS_MAX_STREAMS');
    for (const permit of others) permit.release();
    await take(ADDRESS);
    await take(ADDRESS);
  });

  it('that are given back twice count once', async () => {
    const [permit] = [await take(ADDRESS), await take(ADDRESS), await take()];
    permit.release();
    permit.release();
    await take(ADDRESS);
    expect(await permits.take(undefined)).to.equal('SISYPHUS_MAX_STREAMS');
  });
});
