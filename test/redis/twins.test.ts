import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { knownFor } from '../../src/backlog/backlog.ts';
import { namespace } from '../../src/config/values.ts';
import { compileGlob } from '../../src/glob.ts';
import { isLater, type Place } from '../../src/message/place.ts';
import type { Position } from '../../src/message/position.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { parseRules, retentionOf } from '../../src/store/settings.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import {
  CHANNELS,
  EVENTS,
  KEYS_AND_TOPICS,
  LENGTHS,
  LIFETIMES,
  NAMESPACES,
  ORDERS,
  OWN_CHANNELS,
  PATTERNS,
  USERS,
} from '../support/twin-tables.ts';

const source = (name: string): string =>
  readFileSync(new URL(`../../src/store/redis/lua/${name}.lua`, import.meta.url), 'utf8');

/** What the functions in Redis go by, without the functions. */
const PARTS = ['names', 'numbers', 'glob', 'checks', 'recorder', 'length', 'expiry'];
const HEAD = `${PARTS.map(source).join('\n')}\nlocal answers = {}\n`;

describe('the functions in Redis', () => {
  let server: RedisServer;
  let redis: Redis;

  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  after(() => server.stop());

  /** What the expression in Lua is for each value, called `row` there. */
  async function valuesOf(expression: string, rows: unknown[], ...more: string[]): Promise<string[]> {
    const loop = 'for i, row in ipairs(cjson.decode(ARGV[1])) do';
    const script = `${HEAD}${loop} answers[i] = tostring(${expression}) end return answers`;
    return (await redis.eval(script, 0, JSON.stringify(rows), ...more)) as string[];
  }

  /** For which values the condition in Lua is true. */
  async function truthOf(condition: string, rows: unknown[], ...more: string[]): Promise<boolean[]> {
    return (await valuesOf(`(${condition}) and 1 or 0`, rows, ...more)).map((answer) => answer === '1');
  }

  const names = (table: [string, unknown][]): string[] => table.map(([name]) => name);
  const truths = (table: [string, boolean][]): boolean[] => table.map(([, is]) => is);

  it('take the same names for those of channels', async () => {
    expect(await truthOf('is_channel(row)', names(CHANNELS))).to.deep.equal(truths(CHANNELS));
  });

  it('take the same channels for those of users', async () => {
    const users = OWN_CHANNELS.map(([, user]) => user ?? 'nil');
    expect(await valuesOf('user_of(row)', names(OWN_CHANNELS))).to.deep.equal(users);
  });

  it('take the same texts for ids of users', async () => {
    expect(await truthOf('is_user(row)', names(USERS))).to.deep.equal(truths(USERS));
  });

  it('take the same names for those of events', async () => {
    expect(await truthOf('not problem_with_event(row)', names(EVENTS))).to.deep.equal(truths(EVENTS));
  });

  it('take the same names for those of installations', async () => {
    const condition = "not enter({ 'sisyphus:{' .. row .. ':0}' })";
    expect(await truthOf(condition, names(NAMESPACES))).to.deep.equal(truths(NAMESPACES));
    for (const [text, is] of NAMESPACES) {
      if (is) expect(namespace(text)).to.equal(text);
      else expect(() => namespace(text), text).to.throw('expected 1 to 64');
    }
  });

  it('have the same names for topics and keys', async () => {
    const rows = KEYS_AND_TOPICS.map(({ of: [namespace, database, channel] }) => [
      new Keys(namespace, database).declared,
      String(database),
      channel,
    ]);
    const names = "(enter({ row[1] }) or use_location(row[2], '') or topic_of(row[3]) .. ' ' .. backlog_key(row[3]))";
    const expected = KEYS_AND_TOPICS.map(({ topic, backlog }) => `${topic} ${backlog}`);
    expect(await valuesOf(names, rows)).to.deep.equal(expected);
    const here = KEYS_AND_TOPICS.map(({ of: [namespace, database, channel] }) => {
      const keys = new Keys(namespace, database);
      return `${keys.topic(channel)} ${keys.backlog(channel)}`;
    });
    expect(here).to.deep.equal(expected);
  });

  it('know of a channel for as long', async () => {
    const known = LIFETIMES.map(([, lifetime]) => lifetime);
    expect((await valuesOf('digits(known_for(row[1]))', LIFETIMES)).map(Number)).to.deep.equal(known);
    expect(LIFETIMES.map(([ttl]) => knownFor(ttl))).to.deep.equal(known);
  });

  it('keep as many messages of a channel', async () => {
    const lengths = LENGTHS.map(([, , length]) => length);
    const length = 'length_for({ rules = row[1], length = 200 }, row[2])';
    expect((await valuesOf(length, LENGTHS)).map(Number)).to.deep.equal(lengths);
    const here = LENGTHS.map(([rules, channel]) => {
      return retentionOf({ length: 200, ttl: 1000, rules: parseRules(rules) })(channel).length;
    });
    expect(here).to.deep.equal(lengths);
  });

  it('have the same order of places', async () => {
    const after = ORDERS.map(([, , is]) => is);
    const condition = 'comes_after(row[1][1], row[1][2], row[2][1], row[2][2])';
    expect(await truthOf(condition, ORDERS)).to.deep.equal(after);
    const place = ([id, number]: [number, number]): Place => ({ id: id as Position, number });
    expect(ORDERS.map(([one, other]) => isLater(place(one), place(other)))).to.deep.equal(after);
  });

  describe('read a pattern as the gateway does:', () => {
    for (const [pattern, fitting, others] of PATTERNS) {
      it(`${pattern} fits ${JSON.stringify(fitting)} and not ${JSON.stringify(others)}`, async () => {
        const fits = await truthOf('fits_glob(compile_glob(ARGV[2]), row)', [...fitting, ...others], pattern);
        expect(fits).to.deep.equal([...fitting.map(() => true), ...others.map(() => false)]);
      });
    }

    it('any pattern, on any name', async () => {
      const letters = { unit: fc.constantFrom(...'ab-]^\\*?:[z%.') };
      const texts = fc.sample(fc.string({ ...letters, maxLength: 5 }), 300);
      await fc.assert(
        fc.asyncProperty(fc.string({ ...letters, maxLength: 7 }), async (pattern) => {
          const fits = await truthOf('fits_glob(compile_glob(ARGV[2]), row)', texts, pattern);
          expect(fits).to.deep.equal(texts.map(compileGlob(pattern)));
        }),
        { numRuns: 500 },
      );
    });

    it('in milliseconds where a backtracking one would take years', async () => {
      const start = performance.now();
      expect(
        await truthOf('fits_glob(compile_glob(ARGV[2]), row)', ['a'.repeat(128)], `${'a*'.repeat(60)}b`),
      ).to.deep.equal([false]);
      expect(performance.now() - start).to.be.below(100);
    });
  });
});
