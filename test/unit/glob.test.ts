import { expect } from 'chai';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { compileGlob, firstMatch } from '../../src/glob.ts';
import { type PrivateRedis, startPrivateRedis } from '../../src/store/private-redis.ts';
import { PATTERNS } from '../support/twin-tables.ts';

describe('a pattern', () => {
  for (const [pattern, fitting, others] of PATTERNS) {
    it(`${pattern} fits ${JSON.stringify(fitting)} and not ${JSON.stringify(others)}`, () => {
      const glob = compileGlob(pattern);
      expect(fitting.filter((name) => !glob(name))).to.deep.equal([]);
      expect(others.filter(glob)).to.deep.equal([]);
    });
  }

  it('takes milliseconds where a regular expression would take years', () => {
    const start = performance.now();
    expect(compileGlob(`${'a*'.repeat(60)}b`)('a'.repeat(128))).to.equal(false);
    expect(compileGlob(`${'*a'.repeat(60)}b`)('a'.repeat(128))).to.equal(false);
    expect(performance.now() - start).to.be.below(20);
  });

  it('counts from the front where several fit', () => {
    const rules = ['room:9*', 'room:*', '*'].map((pattern) => ({ pattern, glob: compileGlob(pattern) }));
    expect(firstMatch(rules, 'room:918')?.pattern).to.equal('room:9*');
    expect(firstMatch(rules, 'room:1')?.pattern).to.equal('room:*');
    expect(firstMatch(rules.slice(0, 2), 'user:1')).to.equal(undefined);
  });

  describe('against Redis', () => {
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
});
