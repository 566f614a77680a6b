import { expect } from 'chai';
import fc from 'fast-check';
import { parseSecretList } from '../../src/config/secret-list.ts';
import { LinePacer } from '../../src/http/line-pacer.ts';
import { secretsOf } from '../../src/http/sync-secrets.ts';
import { PublishSecrets } from '../../src/publish-secrets.ts';
import { KeyedQueue } from '../../src/sync/keyed-queue.ts';
import { NotReady } from '../../src/sync/queue.ts';
import { isTimeToken, NO_TEXT, timeToken } from '../../src/sync/time-token.ts';
import { applyUpdates, type Item, replaceState, type State, type Update } from '../../src/sync/updates.ts';
import { eventually } from '../support/wait.ts';

const update = (data: Item): Update => ({ type: 'update', data });
const remove = (login: string): Update => ({ type: 'delete', data: { login } });

describe('tokens of dictionaries', () => {
  const at = 1362156638_000;

  it('are those of the old protocol', () => {
    expect(timeToken('secret', NO_TEXT, at)).to.equal(
      '1362156638:03cd46dce36cc4156947cf196d2d0c68e203c03938c1d1af0cccb9b36c4d0f2d',
    );
    expect(timeToken('secret', '[{"type": "update", "data": {"login": "alice"}}]', at)).to.equal(
      '1362156638:cd4d422318a896bd046679d0717d3381f635a410d7781c348873980c77392ff4',
    );
  });

  it('count for 120 s, for their text and secret alone', () => {
    const token = timeToken('secret', 'text', at);
    for (const [now, isValid] of [
      [at, true],
      [at + 120_000, true],
      [at - 120_000, true],
      [at + 121_000, false],
      [at - 121_000, false],
    ] as const)
      expect(isTimeToken(token, 'secret', 'text', now), String(now)).to.equal(isValid);
    expect(isTimeToken(token, 'other', 'text', at)).to.equal(false);
    expect(isTimeToken(token, 'secret', 'texts', at)).to.equal(false);
    for (const odd of [
      '',
      ':',
      '1362156638',
      `${token}0`,
      token.toUpperCase(),
      ` ${token}`,
      `9e9${token}`,
      `-${token}`,
    ])
      expect(isTimeToken(odd, 'secret', 'text', at), odd).to.equal(false);
  });
});

describe('the secrets of a dictionary', () => {
  it('may be names of publish secrets, as those are in force now', () => {
    const secrets = new PublishSecrets(parseSecretList('app:first\nother:second'));
    expect(secretsOf(['app', 'own'], secrets)).to.deep.equal(['first', 'own']);
    secrets.use(parseSecretList('app:third\nother:second'));
    expect(secretsOf(['app', 'own'], secrets)).to.deep.equal(['third', 'own']);
  });
});

describe('updates of a dictionary', () => {
  it('create, update and delete, and say so', () => {
    const state: State = new Map([['a', { login: 'a', x: 1 }]]);
    const fates = applyUpdates(state, [update({ login: 'b' }), update({ login: 'a', x: 2 }), remove('none')], 'login');
    expect([...fates]).to.deep.equal([
      ['b', 'created'],
      ['a', 'updated'],
    ]);
    expect([...applyUpdates(state, [remove('a'), update({ login: 'b' })], 'login')]).to.deep.equal([['a', 'deleted']]);
    expect([...state]).to.deep.equal([['b', { login: 'b' }]]);
    expect(() => applyUpdates(state, [update({ name: 'x' })], 'login')).to.throw(/has no login: expected a text/);
  });

  it('count only if a watched member is different', () => {
    const state: State = new Map([['a', { login: 'a', x: 1, y: 1 }]]);
    expect(applyUpdates(state, [update({ login: 'a', x: 1, y: 2 })], 'login', ['x']).size).to.equal(0);
    expect(applyUpdates(state, [update({ login: 'a', x: 2, y: 2 })], 'login', ['x']).size).to.equal(1);
    expect(applyUpdates(state, [update({ login: 'b' })], 'login', ['x']).get('b')).to.equal('created');
  });

  it('that are a whole state delete what is not among them', () => {
    const state: State = new Map([
      ['a', { login: 'a' }],
      ['b', { login: 'b' }],
    ]);
    const fates = replaceState(state, [update({ login: 'b', x: 1 }), update({ login: 'c' })], 'login');
    expect(Object.fromEntries(fates)).to.deep.equal({ a: 'deleted', b: 'updated', c: 'created' });
  });

  it('lead to the same state in one step as in many', () => {
    const one = fc.record({ login: fc.constantFrom('a', 'b', 'c', '__proto__'), x: fc.nat(2) });
    const updates = fc.array(
      fc.tuple(fc.boolean(), one).map(([isUpdate, data]) => (isUpdate ? update(data) : remove(data.login))),
    );
    fc.assert(
      fc.property(updates, updates, (first, second) => {
        const [once, twice]: State[] = [new Map(), new Map()];
        applyUpdates(once!, [...first, ...second], 'login');
        applyUpdates(twice!, first, 'login');
        applyUpdates(twice!, second, 'login');
        expect([...once!]).to.have.deep.members([...twice!]);
      }),
    );
  });
});

describe('lines for many readers', () => {
  const line = (revision: number) => ({ bytes: Buffer.from(`[${revision}]\n`), revision });

  it('go out at once, and those of a burst together, in their order', async () => {
    const posted: string[] = [];
    const pacer = new LinePacer(
      ({ bytes, revision }) => posted.push(`${bytes} ${revision}`),
      () => 101,
    );
    for (const revision of [1, 2, 3]) pacer.add(line(revision));
    expect(posted).to.deep.equal(['[1]\n 1']);
    await eventually(() => posted.length === 2);
    expect(posted[1]).to.equal('[2]\n[3]\n 3');
    pacer.add(line(4));
    pacer.flush();
    expect(posted.slice(2)).to.deep.equal(['[4]\n 4']);
  });

  it('do not wait if the readers are few', () => {
    const posted: number[] = [];
    const pacer = new LinePacer(
      ({ revision }) => posted.push(revision),
      () => 100,
    );
    for (const revision of [1, 2, 3]) pacer.add(line(revision));
    expect(posted).to.deep.equal([1, 2, 3]);
  });
});

describe('a queue of keyed records', () => {
  class Users extends KeyedQueue {
    failures = 0;
    protected async initialBacklog(): Promise<Item[]> {
      if (this.failures-- > 0) throw new Error('the database is away');
      return [{ login: 'a' }];
    }
  }

  const lines: Record<string, unknown>[] = [];
  const log = { error: (fields: Record<string, unknown>) => void lines.push(fields) };
  const open = (): Users => new Users('login', { log, pauses: { first: 1, longest: 2 } });
  beforeEach(() => lines.splice(0));

  it('gives each subscriber its state first, and then every update', async () => {
    const queue = open();
    await queue.start();
    const [early, late]: Update[][][] = [[], []];
    const leave = queue.subscribe((updates) => early!.push(updates));
    queue.update([update({ login: 'b' }), remove('a')]);
    queue.subscribe((updates) => late!.push(updates));
    leave();
    queue.update([update({ login: 'c' })]);
    expect(early).to.deep.equal([[update({ login: 'a' })], [update({ login: 'b' }), remove('a')]]);
    expect(late).to.deep.equal([[update({ login: 'b' })], [update({ login: 'c' })]]);
    expect(queue.subscribers).to.equal(1);
  });

  it('loads its backlog again and again, with one line of the log, and is not ready until then', async () => {
    const queue = open();
    queue.failures = 5;
    const started = queue.start();
    expect(() => queue.subscribe(() => undefined)).to.throw(NotReady);
    await started;
    expect(queue.isReady).to.equal(true);
    expect(lines.map(({ event }) => event)).to.deep.equal(['backlog_failed']);
  });

  it('is not stopped by a subscriber that fails, nor by updates without a key', async () => {
    const queue = open();
    await queue.start();
    const got: Update[][] = [];
    let calls = 0;
    queue.subscribe(() => {
      if (calls++ > 0) throw new Error('a mistake');
    });
    queue.subscribe((updates) => got.push(updates));
    expect(() => queue.update([update({ login: 'x' }), update({})])).to.throw(/has no login/);
    expect(queue.state.has('x')).to.equal(false);
    queue.update([update({ login: 'b' })]);
    await eventually(() => got.length === 2);
    expect(lines.map(({ event }) => event)).to.deep.equal(['subscriber_failed']);
  });
});
