import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { runPolls } from '../support/poll-run.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type Link, type Relay, startRelay } from '../support/relay.ts';
import { begin, pollOnce, post, sendTo } from '../support/sock-it.ts';
import { eventually, within } from '../support/wait.ts';

const KEY = 'sisyphus:{0}';

describe('a poll session, when something fails', function () {
  this.timeout(60_000);
  let redis: RedisServer;
  let client: Redis;
  let relay: Relay;
  /** Whose way to Redis goes through the relay. */
  let doomed: Gateway;
  let other: Gateway;
  /** Called with what the doomed gateway sends to Redis, before it is handed on. */
  let onCall: (text: string, link: Link) => void;

  beforeEach(async () => {
    redis = await startRedis();
    client = redis.client();
    onCall = () => undefined;
    const onLink = (link: Link): void => {
      link.up.onBytes = (bytes) => onCall(bytes.toString('latin1'), link);
    };
    relay = await startRelay({ targetPort: redis.port, onLink });
    const env = { SISYPHUS_PROTOCOLS: 'sock.it', SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET };
    doomed = await startGateway({ ...env, REDIS_URL: `redis://127.0.0.1:${relay.port}` });
    other = await startGateway({ ...env, REDIS_URL: redis.url });
  });

  afterEach(async () => {
    await doomed.stop();
    await other.stop();
    await relay.stop();
    await redis.stop();
  });

  const stateOf = (session: string): Promise<string | null> => client.hget(`${KEY}:poll:${session}`, 'state');
  const isWaiting = async (session: string): Promise<boolean> =>
    (await client.hget(`${KEY}:poll:${session}`, 'at')) !== null;

  /** Lays a fate on the connection on which the doomed gateway makes this call, once, before Redis reads the call. */
  function once(call: string, act: (link: Link) => void): void {
    onCall = (text, link) => {
      if (!text.includes(call)) return;
      onCall = () => undefined;
      act(link);
    };
  }

  async function kill(): Promise<void> {
    doomed.kill('SIGKILL');
    await doomed.exited;
  }

  for (const ack of [false, true]) {
    const promise = ack ? 'exactly once with ack=1' : 'at most once';

    it(`a gateway is killed between claim and write: ${promise}`, async () => {
      const session = await begin(other.url, ack ? '?ack=1' : '');
      await sendTo(other.url, session, ['first']);
      once('sisyphus_poll_claim', (link) => link.down.hold());
      const asked = pollOnce(doomed.url, session).catch(() => 'cut');
      await eventually(async () => (await stateOf(session)) === 'claimed');
      await kill();
      expect(await asked).to.equal('cut');
      await sendTo(other.url, session, ['second']);
      const got = await within(pollOnce(other.url, session), 8_000, 'a batch');
      if (!ack) {
        expect(got).to.deep.equal(['second']);
        return;
      }
      expect(got).to.deep.equal(['first']);
      expect(await pollOnce(other.url, session, { query: '?got=1' })).to.deep.equal(['second']);
    });

    it(`a gateway is killed between write and the note of it: ${promise}`, async () => {
      const session = await begin(other.url, ack ? '?ack=1' : '');
      await sendTo(other.url, session, ['first']);
      once('sisyphus_poll_end', (link) => link.silence());
      expect(await pollOnce(doomed.url, session)).to.deep.equal(['first']);
      await kill();
      expect(await stateOf(session)).to.equal('claimed');
      await sendTo(other.url, session, ['second']);
      expect(await within(pollOnce(other.url, session, { query: '?got=1' }), 8_000, 'a batch')).to.deep.equal([
        'second',
      ]);
    });

    it(`a gateway is killed between write and the next claim: ${promise}`, async () => {
      const session = await begin(other.url, ack ? '?ack=1' : '');
      await sendTo(other.url, session, ['first']);
      expect(await pollOnce(doomed.url, session)).to.deep.equal(['first']);
      await eventually(async () => (await stateOf(session)) === (ack ? 'written' : null));
      await kill();
      await sendTo(other.url, session, ['second']);
      expect(await pollOnce(other.url, session, { query: '?got=1' })).to.deep.equal(['second']);
    });

    it(`Redis is cut between a claim and its answer: the batch comes all the same, ${promise}`, async () => {
      const session = await begin(other.url, ack ? '?ack=1' : '');
      await sendTo(other.url, session, ['first']);
      once('sisyphus_poll_claim', (link) => link.down.cutAfter(1));
      expect(await within(pollOnce(doomed.url, session), 8_000, 'a batch')).to.deep.equal(['first']);
      await sendTo(other.url, session, ['second']);
      expect(await within(pollOnce(other.url, session, { query: '?got=1' }), 8_000, 'a batch')).to.deep.equal([
        'second',
      ]);
    });
  }

  it('the client leaves between claim and write: the batch goes to another poll that waits, at once', async () => {
    const session = await begin(other.url);
    await sendTo(other.url, session, ['first']);
    let held: Link | undefined;
    once('sisyphus_poll_claim', (link) => {
      held = link;
      link.down.hold();
    });
    const leaving = new AbortController();
    const asked = pollOnce(doomed.url, session, { signal: leaving.signal }).catch(() => 'gone');
    await eventually(async () => (await stateOf(session)) === 'claimed');
    leaving.abort();
    expect(await asked).to.equal('gone');
    const waiting = pollOnce(other.url, session);
    await eventually(() => isWaiting(session));
    await sendTo(other.url, session, ['second']);
    held!.down.pass();
    const got = await within(waiting, 8_000, 'the batch that was given back');
    expect(got).to.deep.equal(['first']);
    expect(await pollOnce(other.url, session)).to.deep.equal(['second']);
  });

  it('a poll is late, and has read a stretch of the stream that another one has given: it gives nothing', async () => {
    const session = await begin(other.url, '?ack=1&user=7');
    expect(await pollOnce(other.url, session)).to.have.length(1);
    let held: Link | undefined;
    once('sisyphus_poll_claim', (link) => {
      held = link;
      link.up.hold();
    });
    const late = pollOnce(doomed.url, session, { query: '?got=1' });
    await eventually(() => held !== undefined);
    await client.call('FCALL', 'sisyphus_publish', '1', KEY, 'user:7', 'once');
    expect(await pollOnce(other.url, session, { query: '?got=1' })).to.deep.equal(['once']);
    const waiting = pollOnce(other.url, session, { query: '?got=2' });
    await eventually(() => isWaiting(session));
    held!.up.pass();
    expect(await within(late, 8_000, 'the late poll')).to.deep.equal([]);
    await client.call('FCALL', 'sisyphus_publish', '1', KEY, 'user:7', 'next');
    expect(await within(waiting, 8_000, 'the next message')).to.deep.equal(['next']);
  });

  it('Redis is cut between the messages of a browser and its answer: they are in the inbox once', async () => {
    const session = await begin(other.url);
    once('sisyphus_poll_receive', (link) => link.down.cutAfter(1));
    const { status } = await post(doomed.url, `${session}/poll-msg`, { body: '["a","b"]' });
    expect(status).to.equal(200);
    expect(await client.xlen(`${KEY}:inbox`)).to.equal(2);
  });

  it('Redis is away while a poll waits: it waits on, and a new one is answered 503', async () => {
    const session = await begin(other.url);
    let commands: Link | undefined;
    once('sisyphus_poll_claim', (link) => {
      commands = link;
    });
    const waiting = pollOnce(doomed.url, session);
    await eventually(() => isWaiting(session));
    // Its answer comes behind that of the claim.
    await sendTo(doomed.url, await begin(other.url), ['x']);
    relay.refusing = true;
    commands!.cut();
    const refused = await pollOnce(doomed.url, session).catch((error: Error) => error.message);
    expect(refused).to.match(/^503 /);
    // The poll is told of the message on another connection, and cannot claim it.
    await sendTo(other.url, session, ['meanwhile']);
    const { accepted } = relay;
    await eventually(() => relay.accepted > accepted + 3);
    relay.refusing = false;
    expect(await within(waiting, 10_000, 'the message')).to.deep.equal(['meanwhile']);
  });

  it('nothing is left of many sessions: no poll, no stream, no subscription, and no key without an end', async () => {
    // For a user without a list, a gateway looks once whether the lists have a prefix.
    for (let i = 0; i < 300; i += 3) await client.sadd(`user:${i}:channels`, 'room:1');
    const before = await client.info('commandstats');
    const polls: Promise<unknown>[] = [];
    for (let i = 0; i < 300; i++) {
      const session = await begin(other.url, i % 3 === 0 ? `?user=${i}` : '');
      const signal = AbortSignal.timeout(50 + (i % 10));
      polls.push(pollOnce(other.url, session, { signal }).catch(() => undefined));
    }
    await Promise.all(polls);
    await eventually(async () => {
      const keys = await client.keys(`${KEY}:poll:*`);
      const waiting = await Promise.all(
        keys.filter((key) => !key.endsWith(':queue')).map((key) => client.hget(key, 'at')),
      );
      return keys.length === 300 && waiting.every((at) => at === null);
    }, 10_000);
    const ends = await Promise.all((await client.keys(`${KEY}:poll:*`)).map((key) => client.pttl(key)));
    expect(Math.min(...ends)).to.be.above(0);
    expect(Math.max(...ends)).to.be.at.most(60_000);
    expect((await other.status()).streams).to.equal(0);
    expect((await client.pubsub('CHANNELS', 'sisyphus{0}/@poll/*')) as string[]).to.have.length(2);
    const after = await client.info('commandstats');
    for (const command of ['scan', 'flushall', 'flushdb'])
      expect(callsOf(after, command)).to.equal(callsOf(before, command));
  });

  it('is judged by what 200 polls get that are cut at random points, while gateways are killed and cut from Redis', async () => {
    const { polls, problems, got } = await runPolls({ seconds: 8, seed: 7, redis });
    expect(problems).to.deep.equal([]);
    expect(polls).to.be.above(200);
    expect(got).to.be.above(100);
  });
});

function callsOf(info: string, command: string): number {
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(info)?.[1] ?? 0);
}
