import { expect } from 'chai';
import type { Context } from 'koa';
import { SisyphusError } from '../../src/errors.ts';
import { audit, auditUnknown, requireAllowed, requireUserAllowed } from '../../src/http/publish-rights.ts';
import { PublishSecrets } from '../../src/publish-secrets.ts';
import { parseSecretList } from '../../src/secret-list.ts';

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

  it('leaves a line that names it, also if nobody knows whether it was done', () => {
    const lines: unknown[] = [];
    const logger = { info: (line: unknown) => lines.push(line) };
    const ctx = contextOf('two');
    audit(logger, ctx, { action: 'disconnect', user: '5' });
    const act = { action: 'grant', user: '5', channel: 'room:1' } as const;
    auditUnknown(logger, ctx, act, new SisyphusError('redis_unavailable', 'Redis did not answer'));
    auditUnknown(logger, ctx, { ...act, user: '4' }, new SisyphusError('redis_refused', 'Redis refused'));
    expect(lines).to.deep.equal([
      { event: 'audit', action: 'disconnect', user: '5', by: 'jobs' },
      { event: 'audit', action: 'grant', user: '5', channel: 'room:1', by: 'jobs', unknown: true },
    ]);
  });
});
