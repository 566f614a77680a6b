import { expect } from 'chai';
import type { Context } from 'koa';
import { Counters } from '../../src/counters.ts';
import type { HttpContext, RecorderStatus } from '../../src/http/context.ts';
import { reportOf } from '../../src/http/report.ts';
import { readyz, status } from '../../src/http/routes/health.ts';
import type { Trouble } from '../../src/hub/trouble.ts';

const RECORDER: RecorderStatus = { role: 'leader', recording: true };

async function ask(
  recorder: Partial<RecorderStatus>,
  others: Partial<HttpContext> = {},
): Promise<{ status: number; body: unknown }> {
  const ctx = { status: 0, body: undefined };
  const hub = { isAnswered: true };
  const recorded = () => ({ ...RECORDER, ...recorder });
  const context = {
    hub,
    recorder: recorded,
    isStopping: () => false,
    settings: () => undefined,
    troubles: () => [],
    descriptors: { isShort: async () => false, limit: 1024 },
    ...others,
  };
  await readyz(context as unknown as HttpContext)(ctx as unknown as Context);
  return ctx;
}

describe('/readyz', () => {
  it('says yes where Redis answers and somebody records, or nobody has to', async () => {
    for (const role of ['leader', 'standby', 'spare'] as const) {
      expect(await ask({ role })).to.deep.equal({ status: 200, body: { ready: true } });
    }
    expect((await ask({ role: 'off', recording: false })).status).to.equal(200);
  });

  it('says no where nobody has renewed the lease lately, whatever the role of the gateway is', async () => {
    for (const role of ['unknown', 'leader', 'standby', 'spare'] as const) {
      const { status, body } = await ask({ role, recording: false });
      expect(status).to.equal(503);
      expect(body).to.have.deep.property('reasons', ['no recorder is known: nobody has renewed its lease lately']);
    }
  });

  it('says yes where only publishers are refused, also if nobody can renew the lease for it, and gives the reason', async () => {
    const troubles = (): Trouble[] => [{ stops: 'publishing', reason: 'Redis is a read-only replica' }];
    for (const recording of [true, false]) {
      const { status, body } = await ask({ recording }, { troubles });
      expect(status).to.equal(200);
      expect(body).to.deep.equal({ ready: true, reasons: ['Redis is a read-only replica'] });
    }
    const others = { hub: { isAnswered: false }, troubles } as unknown as Partial<HttpContext>;
    expect((await ask({}, others)).body).to.deep.equal({
      ready: false,
      reasons: ['Redis does not answer', 'Redis is a read-only replica'],
    });
  });

  it('says no where readers are refused, and why, instead of that Redis is not there', async () => {
    const troubles = (): Trouble[] => [{ stops: 'readers', reason: 'Redis refuses ZDIFF' }];
    const others = { hub: { isAnswered: false }, troubles } as unknown as Partial<HttpContext>;
    const { status, body } = await ask({}, others);
    expect({ status, body }).to.deep.equal({ status: 503, body: { ready: false, reasons: ['Redis refuses ZDIFF'] } });
  });

  it('gives every reason', async () => {
    const others = { hub: { isAnswered: false }, isStopping: () => true } as unknown as Partial<HttpContext>;
    expect((await ask({ recording: false }, others)).body)
      .to.have.property('reasons')
      .with.length(3);
  });
});

describe('/status', () => {
  it('has what was counted, each where it always was', async () => {
    const counters = new Counters();
    counters.streamOpened('stream');
    counters.messageReceived(7);
    counters.messageDelivered(7);
    counters.messageWritten('stream', 0.003);
    counters.streamClosed('client');
    counters.streamRefused('busy');
    counters.limitReached('SISYPHUS_MAX_OPENS');
    counters.readerReset('trimmed');
    counters.plainRecorded(5, 1);
    counters.connectionDropped();
    counters.pollMessagesDropped(4);
    const context = {
      counters,
      hub: {
        subscriptions: () => [{ readers: new Set([1, 2]) }, { readers: new Set() }],
        channels: 2,
        isAnswered: true,
      },
      sessions: { streams: 2, users: 1, transports: () => ['stream', 'rt'] },
      config: { maxStreams: 10 },
      descriptors: { isShort: async () => false, limit: 1024, open: async () => 30 },
      recorder: () => RECORDER,
      settings: () => undefined,
      troubles: () => [],
      warnings: () => [],
      isStopping: () => false,
      version: '0.1.0',
      store: 'redis',
    };
    const ctx = { body: undefined };
    const gather = async () => ({ reports: [await reportOf(context as unknown as HttpContext, undefined)] });
    await status({ gather })(ctx as unknown as Context);
    expect(JSON.stringify(ctx.body)).to.equal(
      '{"version":"0.1.0","store":"redis","namespace":null,"database":null,"redis":"up","reasons":[],"draining":false,"warnings":[],"streams":2,"users":1,"channels":1,' +
        '"subscriptions":2,"lingering":1,' +
        '"recorder":{"role":"leader","recording":true,"recorded":5,"unrecordable":1,"fenced":0,"changes":0},' +
        '"counters":{"opened":{"stream":1},"received":{"messages":1,"bytes":7},"delivered":{"messages":1,"bytes":7},' +
        '"healed":0,"duplicates":0,"unconfirmed":0,"resets":{"trimmed":1},"closed":{"client":1},' +
        '"refused":{"busy":1},"limits":{"SISYPHUS_MAX_OPENS":1},"dropped":1,"undelivered":4}}',
    );
  });
});
