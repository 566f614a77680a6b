import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { compileGlob } from '../../src/glob.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { CHANNELS, EVENTS, PATTERNS, USERS } from '../support/twin-tables.ts';

const source = (name: string): string =>
  readFileSync(new URL(`../../src/store/redis/lua/${name}.lua`, import.meta.url), 'utf8');

/** What the functions in Redis go by, without the functions: `ARGV[1]` is a list of texts as JSON. */
const HEAD = `${['names', 'glob', 'checks'].map(source).join('\n')}\nlocal answers = {}\n`;

describe('the functions in Redis', () => {
  let server: RedisServer;
  let redis: Redis;

  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  after(() => server.stop());

  /** Which of the texts the condition in Lua, on `text`, is true for. */
  async function truthOf(condition: string, texts: string[], ...more: string[]): Promise<boolean[]> {
    const loop = `for i, text in ipairs(cjson.decode(ARGV[1])) do answers[i] = (${condition}) and 1 or 0 end return answers`;
    const answers = (await redis.eval(HEAD + loop, 0, JSON.stringify(texts), ...more)) as number[];
    return answers.map((answer) => answer === 1);
  }

  const names = (table: [string, boolean][]): string[] => table.map(([name]) => name);
  const truths = (table: [string, boolean][]): boolean[] => table.map(([, is]) => is);

  it('take the same names for those of channels', async () => {
    expect(await truthOf('is_channel(text)', names(CHANNELS))).to.deep.equal(truths(CHANNELS));
  });

  it('take the same texts for ids of users', async () => {
    expect(await truthOf('is_user(text)', names(USERS))).to.deep.equal(truths(USERS));
  });

  it('take the same names for those of events', async () => {
    expect(await truthOf('not problem_with_event(text)', names(EVENTS))).to.deep.equal(truths(EVENTS));
  });

  describe('read a pattern as the gateway does:', () => {
    for (const [pattern, fitting, others] of PATTERNS) {
      it(`${pattern} fits ${JSON.stringify(fitting)} and not ${JSON.stringify(others)}`, async () => {
        const fits = await truthOf('fits_glob(compile_glob(ARGV[2]), text)', [...fitting, ...others], pattern);
        expect(fits).to.deep.equal([...fitting.map(() => true), ...others.map(() => false)]);
      });
    }

    it('any pattern, on any name', async () => {
      const letters = { unit: fc.constantFrom(...'ab-]^\\*?:[z%.') };
      const texts = fc.sample(fc.string({ ...letters, maxLength: 5 }), 300);
      await fc.assert(
        fc.asyncProperty(fc.string({ ...letters, maxLength: 7 }), async (pattern) => {
          const fits = await truthOf('fits_glob(compile_glob(ARGV[2]), text)', texts, pattern);
          expect(fits).to.deep.equal(texts.map(compileGlob(pattern)));
        }),
        { numRuns: 500 },
      );
    });

    it('in milliseconds where a backtracking one would take years', async () => {
      const start = performance.now();
      expect(
        await truthOf('fits_glob(compile_glob(ARGV[2]), text)', ['a'.repeat(128)], `${'a*'.repeat(60)}b`),
      ).to.deep.equal([false]);
      expect(performance.now() - start).to.be.below(100);
    });
  });
});
