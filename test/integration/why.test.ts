import { connect } from 'node:net';
import { expect } from 'chai';
import { runCommand } from '../support/command-line.ts';
import { startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

interface Answer {
  verdict: string;
  id: string;
  rights: { now: boolean; atMessage?: boolean; changes: { kind: string }[] };
  message?: { revision: number; plain: boolean; gone?: string };
  streams: { gateway: string; transport?: string; fate?: string; reason?: string; reads?: boolean }[];
  problems: string[];
}

describe('bin/sisyphus why', function () {
  this.timeout(30_000);
  let world: World;
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(() => world.stop());

  const env = (): Record<string, string> => ({
    REDIS_URL: world.redis.url,
    SISYPHUS_URL: world.gateway.url,
    SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
  });
  const ask = async (channel: string, id?: string, ...more: string[]): Promise<Answer> => {
    const one = id === undefined ? [] : ['--id', id];
    const args = ['why', '--json', '--user', '7', '--channel', channel, ...one, ...more];
    const { code, stdout, stderr } = await runCommand(args, { env: env() });
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout) as Answer;
  };
  const publish = async (channel: string, text = 'x'): Promise<string> => (await world.publish.http(channel, text)).id!;
  const fatesOf = ({ streams }: Answer): (string | undefined)[] => streams.map(({ fate }) => fate);

  it('tells a message that was written as it came from one that was replayed', async () => {
    await world.allow('7', 'room:1');
    const stream = await world.openOk({ path: '/?user=7' });
    const missed = await publish('room:1', 'first');
    await eventually(() => stream.frames.some(({ text }) => text.includes('first')));
    expect(await ask('room:1', missed)).to.deep.include({ verdict: 'the message was written, as it was published' });
    const since = (await publish('room:2')).toString();
    const later = await publish('room:1', 'second');
    stream.close();
    const back = await world.openOk({ path: `/?user=7&since=${since}` });
    await eventually(() => back.frames.some(({ text }) => text.includes('second')));
    const answer = await eventually(async () => {
      const { streams, ...rest } = await ask('room:1', later);
      return streams.some(({ reason }) => reason === 'client') && { streams, ...rest };
    });
    expect(fatesOf(answer)).to.have.members(['live', 'replayed']);
    expect(fatesOf(await ask('room:1', missed))).to.include('before');
    expect(answer.message).to.deep.include({ revision: 2, plain: false });
  });

  it('says that the user had no right at the place of the message, and has it now', async () => {
    await world.allow('7', 'room:2');
    await world.openOk({ path: '/?user=7' });
    const id = await publish('room:1');
    await runCommand(['grant', '7', 'room:1'], { env: env() });
    const answer = await ask('room:1', id);
    expect(answer.rights).to.deep.include({ now: true, atMessage: false });
    expect(answer.rights.changes.map(({ kind }) => kind)).to.deep.equal(['granted']);
    expect(answer.verdict).to.match(/no right to the channel at the place of the message$/);
    await runCommand(['revoke', '7', 'room:1'], { env: env() });
    const gone = await publish('room:1');
    expect((await ask('room:1', gone)).rights).to.deep.include({ now: false, atMessage: false });
  });

  it('says that a user whom nobody granted the channel has no right, with a stream and without', async () => {
    const id = await publish('room:1');
    for (const open of [false, true]) {
      if (open) await world.openOk({ path: `/?user=7&since=${Number(id) - 1}` });
      const answer = await ask('room:1', id);
      expect(answer.rights).to.deep.equal({ now: false, atMessage: false, changes: [] });
      expect(answer.verdict).to.match(/had no right( to the channel)? at (its place|the place of the message)$/);
    }
  });

  it('does not say that a message waits for a user who has the right no more', async () => {
    await runCommand(['grant', '7', 'room:1'], { env: env() });
    const id = await publish('room:1');
    await runCommand(['revoke', '7', 'room:1'], { env: env() });
    const answer = await ask('room:1', id);
    expect(answer.rights).to.deep.include({ now: false, atMessage: true });
    expect(answer.verdict).to.match(/no right to the channel any more: it will not be replayed$/);
  });

  it('says that a message was not replayed, because the right was revoked before the client came back', async () => {
    await world.allow('7', 'room:1');
    const stream = await world.openOk({ path: '/?user=7' });
    const since = await publish('room:1', 'first');
    await eventually(() => stream.frames.some(({ text }) => text.includes('first')));
    stream.close();
    await eventually(async () => (await world.gateway.status()).streams === 0);
    const missed = await publish('room:1', 'second');
    // Nothing follows it: the seam of the stream that is opened next is the id of the revocation itself.
    await runCommand(['revoke', '7', 'room:1'], { env: env() });
    const back = await world.openOk({ path: `/?user=7&since=${since}` });
    const answer = await ask('room:1', missed);
    expect(fatesOf(answer)).to.include('no_right_later');
    expect(answer.verdict).to.match(/not replayed: when the stream opened, the user had the right no more$/);
    expect(back.frames.some(({ text }) => text.includes('second'))).to.equal(false);
  });

  it('says of a user who polls that a poll that has ended may have taken the message', async () => {
    await world.allow('7', 'room:1');
    const since = await publish('room:1', 'first');
    const id = await publish('room:1', 'second');
    const polled = await fetch(`${world.gateway.url}/?user=7&poll&since=${since}`);
    expect(await polled.text()).to.contain('second');
    const { verdict } = await ask('room:1', id);
    expect(verdict).to.match(/no stream at the gateways that were asked; polls that have ended are not remembered/);
    const waiting = new AbortController();
    const poll = fetch(`${world.gateway.url}/?user=7&poll&since=${id}`, { signal: waiting.signal }).catch(
      () => undefined,
    );
    try {
      const answer = await eventually(async () => {
        const found = await ask('room:1', id);
        return found.streams.length === 1 && found;
      });
      expect(answer.streams[0]).to.include({ transport: 'poll', fate: 'before' });
      expect(answer.verdict).to.match(/asked only for what is later; polls that have ended are not remembered/);
    } finally {
      waiting.abort();
      await poll;
    }
  });

  it('says that the stream ended before the message, and that the message waits', async () => {
    await world.allow('7', 'room:1');
    const stream = await world.openOk({ path: '/?user=7' });
    stream.close();
    await eventually(async () => (await world.gateway.status()).streams === 0);
    const id = await publish('room:1');
    const answer = await ask('room:1', id);
    expect(answer.streams.map(({ fate, reason }) => [fate, reason])).to.deep.equal([['closed_before', 'client']]);
    const { stdout } = await runCommand(['why', '--user', '7', '--channel', 'room:1', '--id', id], { env: env() });
    expect(stdout).to.match(/^verdict +the message was not written: the stream ended before$/m);
  });

  it('says that a message is gone, and that an id is none of the channel', async () => {
    await world.allow('7', 'room:1');
    const first = await publish('room:1');
    for (let i = 0; i < 210; i++) await world.publish.fcall('room:1', 'x');
    expect((await ask('room:1', first)).verdict).to.match(/gone from the backlog \(trimmed\)/);
    expect((await ask('room:1', String(Number(first) + 1_000_000_000))).verdict).to.match(/no message with this id/);
    expect((await ask('room:nothing')).verdict).to.match(/nothing is known of room:nothing/);
  });

  it('asks all gateways, and says which ones it could not ask', async () => {
    await world.allow('7', 'room:1');
    const other = await startGateway({ REDIS_URL: world.redis.url, SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET });
    try {
      const stream = await world.openOk({ path: '/?user=7', port: other.port });
      const id = await publish('room:1', 'there');
      await eventually(() => stream.frames.some(({ text }) => text.includes('there')));
      const alone = await ask('room:1', id);
      expect(alone.streams).to.deep.equal([]);
      expect(alone.verdict).to.match(/no stream at the gateways that were asked/);
      const gateways = `${world.gateway.url},${other.url},http://127.0.0.1:1`;
      const answer = await ask('room:1', id, '--gateways', gateways);
      expect(answer.streams.map(({ gateway, fate }) => [gateway.split('/')[1], fate])).to.deep.equal([
        [String(other.pid), 'live'],
      ]);
      expect(answer.problems.join()).to.match(/^cannot reach http:\/\/127\.0\.0\.1:1\//);
    } finally {
      await other.stop();
    }
  });

  it('does not say that there was no stream if gateways could not be asked', async () => {
    await world.allow('7', 'room:1');
    const id = await publish('room:1');
    const answer = await ask('room:1', id, '--gateways', 'http://127.0.0.1:1');
    expect(answer.verdict).to.equal('the message is in the backlog; whether a stream has it is not known (unasked)');
  });

  it('says that a reader that was too slow may not have read what was written', async () => {
    await world.allow('7', 'room:1');
    const idle = connect(world.gateway.port, '127.0.0.1');
    try {
      idle.pause();
      idle.write('GET /?user=7 HTTP/1.1\r\nHost: x\r\n\r\n');
      await eventually(async () => (await world.gateway.status()).streams === 1);
      for (let i = 0; i < 80; i++) await world.publish.fcall('room:1', 'x'.repeat(200_000));
      await eventually(async () => (await world.gateway.status()).streams === 0, 15_000);
      const { verdict } = await ask('room:1');
      expect(verdict).to.match(
        /^the message was (written, .*; the stream ended as slow, so the client may not|not written: the stream ended before)/,
      );
      const first = await runCommand(['history', 'room:1', '--limit', '100', '--json'], { env: env() });
      const { id } = JSON.parse(first.stdout.split('\n')[0]!) as { id: string };
      expect((await ask('room:1', id)).verdict).to.match(/^the message was written, .*; the stream ended as slow/);
    } finally {
      idle.destroy();
    }
  });

  it('knows of channels that no list has, and of streams that read others', async () => {
    await world.openOk({ path: '/?user=7&c=user:7' });
    const id = await publish('user:7');
    expect(fatesOf(await ask('user:7', id))).to.deep.equal(['live']);
    world.closeStreams();
    await world.allow('7', 'room:1', 'room:2');
    await world.openOk({ path: '/?user=7&c=room:2' });
    expect(fatesOf(await ask('room:1', await publish('room:1')))).to.include('not_read');
  });

  it('asks for what it needs', async () => {
    expect((await runCommand(['why', '--channel', 'room:1'], { env: env() })).stderr).to.match(/user/);
    const { code, stderr } = await runCommand(['why', '--user', '7', '--channel', 'room:1']);
    expect([code, stderr]).to.deep.equal([2, 'sisyphus: this is read from Redis: expected REDIS_URL or --redis-url\n']);
    const without = { REDIS_URL: world.redis.url };
    const { stdout } = await runCommand(['why', '--user', '7', '--channel', 'room:1'], { env: without });
    expect(stdout).to.contain('expected SISYPHUS_PUBLISH_SECRET');
  });
});

describe('GET /streams', () => {
  it('is for publishers, and shows only users that the secret may publish to', async () => {
    const lists = `whole:${'a'.repeat(20)}\nrooms:${'b'.repeat(20)}:room:*,user:8\n`;
    const world = await startWorld({ SISYPHUS_PUBLISH_SECRET: lists });
    const get = async (query: string, secret?: string): Promise<[number, Record<string, unknown>]> => {
      const headers: Record<string, string> = secret === undefined ? {} : { Authorization: `Bearer ${secret}` };
      const response = await fetch(`${world.gateway.url}/streams${query}`, { headers });
      return [response.status, (await response.json()) as Record<string, unknown>];
    };
    try {
      await Promise.all([world.openOk({ path: '/?user=7' }), world.openOk({ path: '/?user=8' })]);
      expect((await get(''))[0]).to.equal(401);
      const users = async (secret: string): Promise<unknown[]> => {
        const [, { streams }] = await get('', secret);
        return (streams as { user: string }[]).map(({ user }) => user).sort();
      };
      expect(await users('a'.repeat(20))).to.deep.equal(['7', '8']);
      expect(await users('b'.repeat(20))).to.deep.equal(['8']);
      expect((await get('?user=7', 'b'.repeat(20)))[0]).to.equal(403);
      expect((await get('?user=7&user=8', 'a'.repeat(20)))[0]).to.equal(400);
      expect((await get('?user=a%20b', 'a'.repeat(20)))[1]).to.include({ error: 'bad_user' });
      const [, { streams, workers }] = await get('?user=7&channel=user:7', 'a'.repeat(20));
      expect(workers).to.equal(1);
      expect((streams as { reads: boolean }[]).map(({ reads }) => reads)).to.deep.equal([true]);
    } finally {
      await world.stop();
    }
  });
});
