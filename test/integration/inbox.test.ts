import { createHmac } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type InboxApplication, startInboxApplication } from '../support/inbox-application.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type Link, startRelay } from '../support/relay.ts';
import { begin, pollOnce, post } from '../support/sock-it.ts';
import { eventually, within } from '../support/wait.ts';

const ACL = new URL('../../docs/run/redis-users.acl', import.meta.url);
const KEY = 'sisyphus:{0}';
const SECRET = 'the-secret-of-the-inbox';

describe('the inbox', function () {
  this.timeout(90_000);
  let redis: RedisServer;
  let application: InboxApplication;
  const gateways: Gateway[] = [];

  beforeEach(async () => {
    redis = await startRedis();
    application = await startInboxApplication();
  });

  afterEach(async () => {
    for (const gateway of gateways.splice(0)) await gateway.stop();
    await application.stop();
    await redis.stop();
  });

  async function start(env: Record<string, string> = {}): Promise<Gateway> {
    const own = { REDIS_URL: redis.url, SISYPHUS_PROTOCOLS: 'sock.it', SISYPHUS_INBOX_URL: application.url };
    const gateway = await startGateway({ ...own, SISYPHUS_INBOX_SECRET: SECRET, ...env });
    gateways.push(gateway);
    return gateway;
  }

  const forwards = (gateway: Gateway) => gateway.waitForLog(({ event }) => event === 'inbox_forwards', 10_000);

  async function send(gateway: Gateway, session: string, texts: string[]): Promise<void> {
    const { status, text } = await post(gateway.url, `${session}/poll-msg`, { body: JSON.stringify(texts) });
    expect([status, text]).to.deep.equal([200, '']);
  }

  const texts = (session?: string): string[] =>
    application.received
      .filter((letter) => session === undefined || letter.session === session)
      .map(({ data }) => data);

  it('is forwarded, signed, and the answers go back to the session', async () => {
    const gateway = await start();
    application.answer = ({ data }, response) => response.end(data === 'quiet' ? '' : `answer to ${data}`);
    const session = await begin(gateway.url, '?user=7');
    await pollOnce(gateway.url, session);
    const before = Date.now();
    await send(gateway, session, ['quiet', 'ünï']);
    expect(await within(pollOnce(gateway.url, session), 8_000, 'the answer')).to.deep.equal(['answer to ünï']);
    expect(texts()).to.deep.equal(['quiet', 'ünï']);
    const { id, time, user, body, headers } = application.received[1]!;
    expect([id, user, headers['content-type']]).to.deep.equal([`${session}-2`, '7', 'application/json']);
    expect(headers['idempotency-key']).to.equal(id);
    expect(Math.abs(time - before)).to.be.below(30_000);
    const [, seconds, code] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['sisyphus-signature']))!;
    expect(code).to.equal(createHmac('sha256', SECRET).update(`${seconds}.${body}`).digest('hex'));
    await eventually(async () => (await redis.client().xlen(`${KEY}:inbox`)) === 0);
  });

  it('keeps the order of each session, at several gateways, and no session waits for another', async () => {
    const all = [await start(), await start()];
    // Time for the second one to find out that it does not forward.
    await pause(1_000);
    const [slow, quick] = [await begin(all[0]!.url), await begin(all[0]!.url)];
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    application.answer = async ({ data }, response) => {
      if (data === 'slow 0') await released;
      response.writeHead(204).end();
    };
    for (let i = 0; i < 10; i++) await send(all[i % 2]!, slow, [`slow ${i}`]);
    for (let i = 0; i < 10; i++) await send(all[i % 2]!, quick, [`quick ${i}`]);
    await eventually(() => texts(quick).length === 10, 10_000);
    expect(texts(slow)).to.deep.equal(['slow 0']);
    release();
    await eventually(() => texts(slow).length === 10, 10_000);
    for (const [session, word] of [
      [slow, 'slow'],
      [quick, 'quick'],
    ] as const) {
      expect(texts(session)).to.deep.equal(Array.from({ length: 10 }, (_, i) => `${word} ${i}`));
    }
  });

  it('gives a message back after a failure, and keeps it elsewhere after the fifth', async () => {
    const gateway = await start();
    const session = await begin(gateway.url);
    application.answer = ({ data }, response) => response.writeHead(data === 'poison' ? 500 : 204).end();
    await send(gateway, session, ['first', 'poison', 'last']);
    await eventually(() => texts().includes('last'), 30_000);
    expect(texts()).to.deep.equal(['first', ...Array.from({ length: 5 }, () => 'poison'), 'last']);
    const client = redis.client();
    await eventually(async () => (await client.xlen(`${KEY}:inbox`)) === 0);
    const [[, fields] = []] = await client.xrange(`${KEY}:inbox:dead`, '-', '+');
    expect(fields).to.include.members(['poison', session, '5', 'the application answered 500: expected 200 to 299']);
    await gateway.waitForLog(({ event }) => event === 'inbox_letter_buried');
  });

  it('is taken over from a gateway that is killed: each message is done once more, in order', async () => {
    const first = await start();
    await forwards(first);
    const second = await start();
    const sessions = await Promise.all([1, 2, 3].map(() => begin(second.url)));
    // The first two are taken, the third message of each session is held.
    application.answer = ({ data }, response) => {
      if (!data.startsWith('2')) response.writeHead(204).end();
    };
    for (const session of sessions) await send(second, session, ['0', '1', '2', '3', '4']);
    await eventually(() => texts().filter((text) => text === '2').length === 3, 10_000);
    first.kill('SIGKILL');
    await first.exited;
    application.answer = (_letter, response) => response.writeHead(204).end();
    await eventually(() => texts().filter((text) => text === '4').length === 3, 20_000);
    for (const session of sessions) expect(texts(session)).to.deep.equal(['0', '1', '2', '2', '3', '4']);
    await eventually(async () => (await redis.client().xlen(`${KEY}:inbox`)) === 0);
    expect(await redis.client().exists(`${KEY}:inbox:dead`)).to.equal(0);
  });

  it('keeps a message elsewhere that kills each gateway which forwards it', async () => {
    application.answer = () => undefined;
    const client = redis.client();
    for (let i = 0; i < 5; i++) {
      const gateway = await start();
      if (i === 0) await send(gateway, await begin(gateway.url), ['poison']);
      await eventually(() => texts().length === i + 1, 15_000);
      gateway.kill('SIGKILL');
      await gateway.exited;
      await client.del(`${KEY}:inbox:worker`);
    }
    await start();
    await eventually(async () => (await client.xlen(`${KEY}:inbox:dead`)) === 1, 15_000);
    expect(texts()).to.have.length(5);
    expect(await client.xlen(`${KEY}:inbox`)).to.equal(0);
  });

  it('goes to another gateway at once when the one that forwards is stopped', async () => {
    const first = await start();
    await forwards(first);
    const second = await start();
    const session = await begin(second.url);
    await first.stop();
    gateways.splice(gateways.indexOf(first), 1);
    await send(second, session, ['after the stop']);
    await eventually(() => texts().length === 1, 4_000);
  });

  it('goes on after Redis has lost its connections, and after it has lost the stream', async () => {
    const gateway = await start();
    const session = await begin(gateway.url);
    await send(gateway, session, ['1']);
    await eventually(() => texts().length === 1, 10_000);
    await redis.client().call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await eventually(
      async () => (await post(gateway.url, `${session}/poll-msg`, { body: '["2"]' })).status === 200,
      10_000,
    );
    await eventually(() => texts().includes('2'), 10_000);
    await redis.client().flushall();
    const other = await begin(gateway.url);
    await send(gateway, other, ['3']);
    await eventually(() => texts().includes('3'), 10_000);
    expect(texts()).to.deep.equal(['1', '2', '3']);
  });

  it('loses no message with an answer of Redis that is lost', async () => {
    let reading: Link | undefined;
    const onLink = (link: Link): void => {
      link.up.onBytes = (bytes) => {
        if (/xreadgroup/i.test(bytes.toString('latin1'))) reading = link;
      };
    };
    const relay = await startRelay({ targetPort: redis.port, onLink });
    try {
      const gateway = await start({ REDIS_URL: `redis://127.0.0.1:${relay.port}` });
      const session = await begin(gateway.url);
      await eventually(() => reading !== undefined);
      reading!.down.hold();
      await send(gateway, session, ['1', '2']);
      await eventually(async () => {
        const [, , , consumers] = (await redis.client().xpending(`${KEY}:inbox`, 'inbox')) as [
          number,
          string,
          string,
          unknown,
        ];
        return consumers !== null;
      });
      reading!.cut();
      await eventually(() => texts().length === 2, 10_000);
      await send(gateway, session, ['3']);
      await eventually(() => texts().length === 3, 10_000);
      expect(texts()).to.deep.equal(['1', '2', '3']);
    } finally {
      for (const gateway of gateways.splice(0)) await gateway.stop();
      await relay.stop();
    }
  });

  it('needs no more of Redis than docs/run/redis-users.acl lets a gateway do', async () => {
    const guarded = await startRedis({ args: ['--aclfile', fileURLToPath(ACL)] });
    try {
      const gateway = await start({ REDIS_URL: guarded.url.replace('//', '//gateway:change-me-gateway@') });
      application.answer = ({ data }, response) => response.end(`answer to ${data}`);
      const session = await begin(gateway.url);
      await send(gateway, session, ['a']);
      expect(await within(pollOnce(gateway.url, session), 8_000, 'the answer')).to.deep.equal(['answer to a']);
      application.answer = (_letter, response) => response.writeHead(500).end();
      await send(gateway, session, ['b']);
      await gateway.waitForLog(({ event }) => event === 'inbox_letter_buried', 20_000);
      const admin = guarded.client({ username: 'admin', password: 'change-me-admin' });
      expect(await admin.call('ACL', 'LOG')).to.deep.equal([]);
    } finally {
      for (const gateway of gateways.splice(0)) await gateway.stop();
      await guarded.stop();
    }
  });

  it('can be read by the application itself, and what it has acknowledged goes', async () => {
    const gateway = await startPlain();
    const session = await begin(gateway.url);
    await send(gateway, session, ['a', 'b', 'c']);
    const client = redis.client();
    await eventually(async () => ((await client.xinfo('GROUPS', `${KEY}:inbox`)) as unknown[]).length > 0);
    const read = (await client.xreadgroup('GROUP', 'inbox', 'app', 'COUNT', 2, 'STREAMS', `${KEY}:inbox`, '>')) as [
      string,
      [string, string[]][],
    ][];
    const entries = read[0]![1];
    expect(entries.map(([, fields]) => fields.at(-1))).to.deep.equal(['a', 'b']);
    await client.xack(`${KEY}:inbox`, 'inbox', entries[0]![0]);
    await eventually(async () => (await client.xlen(`${KEY}:inbox`)) === 2, 15_000);
    expect((await client.xrange(`${KEY}:inbox`, '-', '+'))[0]![1].at(-1)).to.equal('b');
  });

  async function startPlain(): Promise<Gateway> {
    const gateway = await startGateway({ REDIS_URL: redis.url, SISYPHUS_PROTOCOLS: 'sock.it' });
    gateways.push(gateway);
    return gateway;
  }
});
