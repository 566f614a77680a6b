import { expect } from 'chai';
import type { Context } from 'koa';
import { parseSecretList } from '../../src/config/secret-list.ts';
import { SisyphusError } from '../../src/errors.ts';
import { audit, audited, requireAllowed, requireUserAllowed } from '../../src/http/publish-rights.ts';
import { PublishSecrets } from '../../src/publish-secrets.ts';

const LIST = parseSecretList('web:one\njobs:two:room:*,user:[1-5]\n');

function contextOf(text: string): Context {
  return { state: { secret: new PublishSecrets(LIST).find(text) } } as unknown as Context;
}

describe('what a publish secret may do', () => {
  it('is everything without patterns, and else what they match', () => {
    requireAllowed(contextOf('one'), ['anything', 'user:9']);
    requireAllowed(contextOf('two'), ['room:1', 'user:5']);
    requireUserAllowed(contextOf('two'), { user: '5' });
    requireUserAllowed(contextOf('two'), { user: '5', channel: 'room:1' });
    const message = 'the secret "jobs" may not publish to user:6: expected a channel that its patterns match';
    expect(() => requireUserAllowed(contextOf('two'), { user: '6' })).to.throw(SisyphusError, message);
    expect(() => requireAllowed(contextOf('two'), ['room:1', 'user:6'], true)).to.throw(`message [1]: ${message}`);
  });

  it('leaves a line that names it, also if nobody knows whether it was done', async () => {
    const lines: unknown[] = [];
    const logger = { info: (line: unknown) => lines.push(line) };
    const ctx = contextOf('two');
    audit(logger, ctx, { action: 'disconnect', user: '5' });
    const act = { action: 'grant', user: '5', channel: 'room:1' } as const;
    for (const [user, code] of [
      ['5', 'redis_unavailable'],
      ['4', 'redis_refused'],
    ] as const) {
      const error = new SisyphusError(code, 'a reason');
      const thrown = await audited(logger, ctx, { ...act, user }, () => Promise.reject(error)).catch(
        (one: unknown) => one,
      );
      expect(thrown).to.equal(error);
    }
    expect(await audited(logger, ctx, act, async () => 7)).to.equal(7);
    expect(lines).to.deep.equal([
      { event: 'audit', action: 'disconnect', user: '5', by: 'jobs' },
      { event: 'audit', action: 'grant', user: '5', channel: 'room:1', by: 'jobs', unknown: true },
    ]);
  });
});
