import { expect } from 'chai';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { compileGlob } from '../../src/glob.ts';
import { type PrivateRedis, startPrivateRedis } from '../../src/store/private-redis.ts';
import { PATTERNS } from '../support/twin-tables.ts';

describe('a pattern, against Redis', () => {
  const names = fc.sample(fc.string({ unit: fc.constantFrom(...'ab-]^\\*?:[z'), minLength: 1, maxLength: 5 }), 1_000);
  let redis: PrivateRedis;
  let client: Redis;

  before(async () => {
    redis = (await startPrivateRedis())!;
    client = new Redis(redis.url);
  });

  after(async () => {
    client.disconnect();
    await redis.close();
  });

  it('is in the table as it is there', async () => {
    for (const [pattern, fitting, others] of PATTERNS) {
      await client.flushdb();
      await client.mset(...[...fitting, ...others].flatMap((name) => [name, '']));
      expect((await client.keys(pattern)).sort(), pattern).to.deep.equal([...fitting].sort());
    }
  });

  it('fits what it fits there', async () => {
    const pattern = fc.string({ unit: fc.constantFrom(...'ab-]^\\*?:[z'), minLength: 1, maxLength: 7 });
    await client.flushdb();
    await client.mset(...[...new Set(names)].flatMap((name) => [name, '']));
    await fc.assert(
      fc.asyncProperty(pattern, async (text) => {
        const there = await client.keys(text);
        const here = [...new Set(names)].filter(compileGlob(text));
        expect(here.sort(), text).to.deep.equal(there.sort());
      }),
      { numRuns: 2_000 },
    );
  });
});
