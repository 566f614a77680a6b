import type { Mutation } from './mutations.ts';

const LUA = 'src/store/redis/lua/functions/streams.lua';
const CLAIMS = 'src/store/redis/stream-claims.ts';
const LIMIT = 'src/store/redis/redis-fleet-limit.ts';
const UNIT = 'unit/fleet-limit';
const FLEET = 'integration/fleet-limit';

/** Mistakes in counting the streams of a user over all gateways. */
export const FLEET_MUTATIONS: Mutation[] = [
  {
    name: 'streams at other gateways do not count',
    file: LUA,
    find: 'limit - elsewhere[asked] - claim.held',
    replace: 'limit - claim.held',
    caughtBy: 'redis/streams',
  },
  {
    name: 'streams of a gateway that was killed count for minutes',
    file: LUA,
    find: 'local LEASE = 5000',
    replace: 'local LEASE = 500000',
    caughtBy: 'redis/streams',
    only: 'for 5 s',
  },
  {
    name: 'streams count under a lease that is longer than any',
    file: LUA,
    find: ' and left <= LEASE',
    replace: '',
    caughtBy: 'redis/streams',
    only: 'set back',
  },
  {
    name: 'a call of an earlier turn changes the count',
    file: LUA,
    find: "redis.pcall('HGET', mine, TURN) ~= turn",
    replace: "redis.call('EXISTS', mine) == 0",
    caughtBy: 'redis/streams',
    only: 'its model',
  },
  {
    name: 'streams that ask are reported as if they were admitted',
    file: CLAIMS,
    find: 'held: this.#local.streamsOf(user) - applicants.length',
    replace: 'held: this.#local.streamsOf(user)',
    caughtBy: UNIT,
    only: 'any order',
  },
  {
    name: 'users are not reported again after a call has failed',
    file: CLAIMS,
    find: '    for (const user of this.#local.users()) this.#changed.add(user);\n',
    replace: '',
    caughtBy: UNIT,
    only: 'anything was lost',
  },
  {
    name: 'a turn that Redis does not know goes on',
    file: LIMIT,
    find: "if (living === 'lost') {\n        this.#begin();\n        return;\n      }",
    replace: "if (living === 'lost') return;",
    caughtBy: UNIT,
    only: 'anything was lost',
  },
  {
    name: 'streams wait for an answer for as long as it takes',
    file: LIMIT,
    find: 'if (!isInTime && turn === this.#turn) this.#forget();',
    replace: 'if (isInTime && turn < 0) this.#forget();',
    caughtBy: UNIT,
    only: 'for 1 s',
  },
  {
    name: 'each stream that ends is a call of its own',
    file: LIMIT,
    find: 'const JOINED = 100;',
    replace: 'const JOINED = 0;',
    caughtBy: UNIT,
    only: 'within 100 ms',
  },
  {
    name: 'a page that is loaded again is turned away at another gateway',
    file: LIMIT,
    find: 'this.#now() + LEAVING',
    replace: 'this.#now()',
    caughtBy: FLEET,
    only: 'another gateway',
  },
  {
    name: 'a page that is loaded again is turned away at the same gateway',
    file: 'src/session/session-registry.ts',
    find: '    this.#vacancies.vacated(session.user);\n',
    replace: '',
    caughtBy: FLEET,
    only: 'the same gateway',
  },
  {
    name: 'any number of streams beyond the limit wait for one to end',
    file: 'src/session/vacancies.ts',
    find: 'if (waiting.size >= this.#most) return Promise.resolve();',
    replace: '',
    caughtBy: 'unit/vacancies',
  },
  {
    name: 'a gateway that is stopped leaves its streams behind',
    file: LIMIT,
    find: "if (isKnown) await this.#ask('leave', '').catch(() => undefined);",
    replace: 'if (isKnown) await undefined;',
    caughtBy: FLEET,
    only: 'is stopped',
  },
  {
    name: 'ok is said before the other gateways are asked',
    file: 'src/session/session.ts',
    find: '[listed] = await Promise.all([membership.open(), admission]);',
    replace: '[listed] = await Promise.all([membership.open(), admission && undefined]);',
    caughtBy: FLEET,
    only: 'exactly one',
  },
  {
    name: 'a stream that was refused counts until its client closes the connection',
    file: 'src/http/routes/stream.ts',
    find: '        if (!isAdmitted) context.sessions.refused(session);\n',
    replace: '',
    caughtBy: FLEET,
    only: 'does not close',
  },
  {
    name: 'a stream that other gateways leave no room for makes room by closing itself',
    file: 'src/session/session-registry.ts',
    find: ' || session === except',
    replace: '',
    caughtBy: 'unit/session-registry',
    only: 'at other gateways',
  },
];
