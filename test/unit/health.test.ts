import { expect } from 'chai';
import type { Context } from 'koa';
import type { HttpContext, RecorderStatus } from '../../src/http/context.ts';
import { readyz } from '../../src/http/routes/health.ts';

const RECORDER: RecorderStatus = {
  role: 'leader',
  recording: true,
  recorded: 0,
  unrecordable: 0,
  fenced: 0,
  changes: 0,
};

function ask(recorder: Partial<RecorderStatus>, others: Partial<HttpContext> = {}): { status: number; body: unknown } {
  const ctx = { status: 0, body: undefined };
  const hub = { isAnswered: true };
  const context = { hub, recorder: () => ({ ...RECORDER, ...recorder }), isDraining: () => false, ...others };
  readyz(context as unknown as HttpContext)(ctx as unknown as Context);
  return ctx;
}

describe('/readyz', () => {
  it('says yes where Redis answers and somebody records, or nobody has to', () => {
    for (const role of ['leader', 'standby', 'spare'] as const) {
      expect(ask({ role })).to.deep.equal({ status: 200, body: { ready: true } });
    }
    expect(ask({ role: 'off', recording: false }).status).to.equal(200);
  });

  it('says no where nobody has renewed the lease lately, whatever the role of the gateway is', () => {
    for (const role of ['unknown', 'leader', 'standby', 'spare'] as const) {
      const { status, body } = ask({ role, recording: false });
      expect(status).to.equal(503);
      expect(body).to.have.deep.property('reasons', ['no recorder is known: nobody has renewed its lease lately']);
    }
  });

  it('gives every reason', () => {
    const others = { hub: { isAnswered: false }, isDraining: () => true } as unknown as Partial<HttpContext>;
    expect(ask({ recording: false }, others).body)
      .to.have.property('reasons')
      .with.length(3);
  });
});
