import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { type CommandResult, runCommand } from '../support/command-line.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { asText, Monitor } from '../support/monitor.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const KEY = 'sisyphus:{0}';
const HOUR = 3_600_000;

describe('tokens', function () {
  this.timeout(60_000);
  let world: World;
  let other: Gateway;
  /** Between the other gateway and Redis. */
  let relay: Relay;
  /** The second parts of all tokens: they must be nowhere. */
  const secrets: string[] = [];
  /** What MONITOR shows. */
  const commands: string[] = [];
  let monitor: Monitor;

  before(async () => {
    const env = { SISYPHUS_AUTH: 'token', SISYPHUS_COOKIE: 'ticket', SISYPHUS_LOG_LEVEL: 'trace' };
    world = await startWorld(env);
    monitor = await new Monitor(world.redis.port, (command) => commands.push(asText(command))).ready();
    relay = await startRelay({ targetPort: world.redis.port });
    other = await startGateway({ ...env, REDIS_URL: `redis://127.0.0.1:${relay.port}` });
  });

  after(async () => {
    monitor?.close();
    await other?.stop();
    await relay?.stop();
    await world?.stop();
  });

  afterEach(() => world.closeStreams());

  async function call(
    method: string,
    body: unknown,
    secret = PUBLISH_SECRET,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${secret}` };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await fetch(`${world.gateway.url}/tokens`, { method, headers, body: text });
    const json = (await answer.json()) as { token?: string };
    if (json.token) secrets.push(json.token.split('.')[1]!);
    return { status: answer.status, body: json };
  }

  async function mint(user: string, ttl: unknown = '1h'): Promise<string> {
    const { status, body } = await call('POST', { user, ttl });
    expect(status).to.equal(200);
    return (body as { token: string }).token;
  }

  function open(token: string, { port }: Gateway = world.gateway, headers = {}): RawStream {
    return world.open({ port, path: `/?access_token=${token}`, headers });
  }

  async function reasonOf(stream: RawStream, within?: number): Promise<string> {
    await stream.ended(within);
    return stream.frames.at(-1)!.comments![0]!;
  }

  const command = (args: string[], http = false): Promise<CommandResult> => {
    const overHttp = { SISYPHUS_URL: world.gateway.url, SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET };
    return runCommand(['token', ...args], { env: http ? overHttp : { REDIS_URL: world.redis.url } });
  };

  it('let in, whichever way they were made, on every gateway', async () => {
    const before = Date.now();
    const { body } = await call('POST', { user: 7, ttl: 90 });
    expect(body)
      .to.have.property('expires')
      .within(before + 89_000, Date.now() + 91_000);
    const [made] = (await world.client.call('FCALL', 'sisyphus_token', '1', KEY, '7', '1h')) as [string];
    const [direct, http] = [await command(['7', '--ttl', '2m']), await command(['7'], true)];
    expect([direct.code, http.code]).to.deep.equal([0, 0]);
    expect(Date.parse(direct.stderr.replace('ends at ', '').trim())).to.be.within(
      before + 119_000,
      Date.now() + 121_000,
    );
    expect(Date.parse(http.stderr.replace('ends at ', '').trim())).to.be.within(
      before + HOUR - 1000,
      Date.now() + HOUR + 1000,
    );
    const tokens = [(body as { token: string }).token, made, direct.stdout.trim(), http.stdout.trim()];
    secrets.push(...tokens.map((token) => token.split('.')[1]!));
    await world.allow('7', 'room:7');
    const streams = [
      ...tokens.flatMap((token) => [open(token), open(token, other)]),
      world.open({ path: '/', headers: { Cookie: `ticket=${tokens[0]}` } }),
      world.open({ path: '/?user=8', headers: { Authorization: `Bearer ${tokens[1]}` } }),
    ];
    await Promise.all(streams.map((stream) => stream.ok()));
    await world.publish.fcall('room:7', 'a');
    await Promise.all(streams.map((stream) => stream.until(({ messages }) => messages.length === 1)));
  });

  it('end their streams when they end, and are known to have ended', async () => {
    const token = await mint('8', '1s');
    const stream = await open(token).ok();
    expect(await reasonOf(stream, 2000)).to.equal('expired');
    expect(stream.frames.at(-1)!.retry).to.be.within(1000, 3000);
    const again = open(token, other);
    expect(await reasonOf(again)).to.equal('expired');
    expect(again.frames.at(-1)!.retry).to.be.within(30_000, 60_000);
  });

  it('end alone the streams that were opened with them, if one is revoked, on every gateway within a second', async () => {
    const revocations: ((token: string) => Promise<unknown>)[] = [
      async (token) => expect((await call('DELETE', { token })).body).to.deep.equal({ revoked: 1 }),
      async (token) => expect((await command(['--revoke', token])).stdout).to.equal('1\n'),
      async (token) => expect((await command(['--revoke', token], true)).stdout).to.equal('1\n'),
      (token) => world.client.call('FCALL', 'sisyphus_revoke_tokens', '1', KEY, 'token', token) as Promise<unknown>,
    ];
    const kept = await mint('9');
    const stays = await Promise.all([open(kept).ok(), open(kept, other).ok()]);
    for (const revoke of revocations) {
      const token = await mint('9');
      const streams = await Promise.all([open(token).ok(), open(token, other).ok()]);
      await revoke(token);
      for (const stream of streams) expect(await reasonOf(stream, 1000)).to.equal('revoked');
      expect(streams[0]!.frames.at(-1)!.retry).to.be.within(30_000, 60_000);
      const back = open(token, other, { 'Last-Event-ID': streams[0]!.lastEventId! });
      expect(await reasonOf(back)).to.equal('revoked');
      expect(back.frames).to.have.length(1);
    }
    await wait(100);
    expect(stays.map(({ closed }) => closed)).to.deep.equal([false, false]);
    expect((await call('DELETE', { user: '9' })).body).to.deep.equal({ revoked: 1 });
    for (const stream of stays) expect(await reasonOf(stream, 1000)).to.equal('revoked');
    expect(await command(['--revoke-all', '9'])).to.include({ code: 0, stdout: '0\n' });
  });

  it('that are revoked while a gateway is cut off let nobody stay there once it can read again', async () => {
    const token = await mint('10');
    const stream = await open(token, other).ok();
    relay.refusing = true;
    for (const link of [...relay.links]) link.cut();
    await wait(50);
    await call('DELETE', { token });
    await wait(300);
    expect(stream.closed).to.equal(false);
    const pending = open(token, other);
    await wait(100);
    relay.refusing = false;
    expect(await reasonOf(stream, 2000)).to.equal('revoked');
    // This one was looked up before, or after: either way it is not let in.
    expect(await reasonOf(pending, 3000)).to.be.oneOf(['revoked', 'unavailable']);
  });

  it('that cannot be looked up, because Redis is away, are no failure', async () => {
    const token = await mint('11');
    relay.refusing = true;
    for (const link of [...relay.links]) link.cut();
    const stream = open(token, other);
    expect(await reasonOf(stream, 3000)).to.equal('unavailable');
    expect(stream.frames.at(-1)!.data).to.contain('<status>error</status>');
    relay.refusing = false;
    await eventually(async () => (await fetch(`${other.url}/readyz`)).status === 200, 5000);
    await open(token, other).ok();
  });

  it('of nobody, of others and of long ago let nobody in', async () => {
    expect(await reasonOf(world.open({ path: '/?user=7' }))).to.equal('missing');
    const [name, secret] = (await mint('12')).split('.');
    for (const token of [
      'x',
      secret,
      `${name}.${'A'.repeat(43)}`,
      `${Buffer.from('7').toString('base64url')}.${secret}`,
    ])
      expect(await reasonOf(open(token!)), token).to.equal('refused');
    const known = await mint('13');
    await world.client.del(`${KEY}:user:13:tokens`);
    expect(await reasonOf(open(known))).to.equal('refused');
  });

  it('are made for users, for a time, by publishers only', async () => {
    for (const [method, body, code] of [
      ['POST', { user: '7' }, 'bad_request'],
      ['POST', { user: '7', ttl: '1w' }, 'bad_request'],
      ['POST', { user: '7', ttl: 0 }, 'bad_request'],
      ['POST', { user: '7', ttl: -5 }, 'bad_request'],
      ['POST', { user: '7', ttl: '366d' }, 'bad_request'],
      ['POST', { user: '*', ttl: '1h' }, 'bad_user'],
      ['POST', { ttl: '1h' }, 'bad_user'],
      ['POST', { user: '7', ttl: '1h', channels: [] }, 'bad_request'],
      ['POST', '{"user":', 'bad_json'],
      ['DELETE', {}, 'bad_request'],
      ['DELETE', { token: 'x' }, 'bad_request'],
      ['DELETE', { token: 7 }, 'bad_request'],
      ['DELETE', { user: '1:channels' }, 'bad_user'],
      ['DELETE', { user: '7', token: 'x' }, 'bad_request'],
      ['DELETE', '"s3cr3t"', 'bad_request'],
      ['DELETE', '{"token":s3cr3t', 'bad_json'],
    ] as const) {
      const answer = await call(method, body);
      expect([answer.status, answer.body.error], JSON.stringify(body)).to.deep.equal([400, code]);
      expect(JSON.stringify(answer.body)).not.to.contain('s3cr3t');
    }
    expect((await call('POST', { user: '7', ttl: '1h' }, 'wrong')).status).to.equal(401);
    expect((await call('PUT', { user: '7', ttl: '1h' })).status).to.equal(405);
    for (const args of [
      [],
      ['*'],
      ['7', '--ttl', '1w'],
      ['7', '--revoke', 'x'],
      ['--revoke', 'x'],
      ['--revoke-all', '*'],
    ])
      expect(await command(args), args.join(' ')).to.include({ code: 2, stdout: '' });
  });

  it('are in no log, and nowhere in Redis', async () => {
    expect(secrets.length).to.be.above(10);
    const logs = JSON.stringify([world.gateway.logs, other.logs]);
    const keys = await world.client.keys('*');
    const dumps = await Promise.all(keys.map(async (key) => (await world.client.dumpBuffer(key)).toString('latin1')));
    // A function that revokes a token has to be given it.
    const shown = commands.filter((line) => !/sisyphus_revoke_tokens \S+ \S+ token /.test(line));
    expect(shown.filter((line) => line.includes('sisyphus_tokens_ro'))).not.to.deep.equal([]);
    const text = [logs, ...keys, ...dumps, ...shown].join('\n');
    expect(text).to.contain('disconnected');
    for (const secret of secrets) expect(text).not.to.contain(secret);
    expect(text).not.to.contain('s3cr3t');
  });
});
