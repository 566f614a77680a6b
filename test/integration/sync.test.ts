import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import { SyncClient, WrongSecret } from '../../src/sync/client.ts';
import type { Fate, Item, Update } from '../../src/sync/updates.ts';
import { Child } from '../support/child.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const ENV = {
  SISYPHUS_PROTOCOLS: 'sync',
  SISYPHUS_NOOP_INTERVAL: '300ms',
  SISYPHUS_PUBLISH_SECRET: 'app:secret-of-the-application\nother:some-other-secret',
  SISYPHUS_COLLECTIONS: JSON.stringify({
    users: { key: 'login', send: ['write'], receive: ['read', 'app'], default: true },
    rooms: { key: 'id', send: ['write'] },
  }),
};

/** The loop of the old client in Python, with nothing but its standard library. */
const PYTHON = `
import hashlib, hmac, json, sys, time, urllib.parse, urllib.request
url, verb = sys.argv[1:3]
def token(secret, text):
    now = int(time.time())
    return '{}:{}'.format(now, hmac.new(secret.encode(), '{}{}'.format(text, now).encode(), hashlib.sha256).hexdigest())
if verb == 'update':
    data = json.dumps([{'type': 'update', 'data': {'login': 'python', 'shell': '/bin/é'}}])
    body = urllib.parse.urlencode({'data': data, 'hmac': token('write', data)}).encode()
    print(urllib.request.urlopen(url + '/update', body).status)
else:
    state = {}
    query = urllib.parse.urlencode({'hmac': token('read', None)})
    for line in urllib.request.urlopen(url + '/poll?' + query):
        for one in json.loads(line.decode('utf-8')):
            login = one['data']['login']
            if one['type'] == 'update': state[login] = one['data']
            else: state.pop(login, None)
        print(json.dumps(state), flush=True)
`;

describe('synchronised dictionaries', function () {
  this.timeout(30_000);
  let world: World;
  let second: Gateway;
  const open: AbortController[] = [];

  before(async () => {
    world = await startWorld(ENV);
    second = await startGateway({ REDIS_URL: world.redis.url, ...ENV });
  });
  after(async () => {
    await second.stop();
    await world.stop();
  });
  beforeEach(async () => {
    await world.client.call('FCALL', 'sisyphus_put', '1', 'sisyphus:{0}', 'users', '[]');
  });
  afterEach(() => {
    for (const one of open.splice(0)) one.abort();
  });

  const bearer = (secret: string) => ({ Authorization: `Bearer ${secret}` });
  const update = (...logins: string[]) => logins.map((login) => ({ type: 'update', data: { login } }));
  const remove = (...logins: string[]) => logins.map((login) => ({ type: 'delete', data: { login } }));

  function send(
    data: unknown,
    { secret = 'write', url = world.gateway.url, path = '/update' } = {},
  ): Promise<Response> {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    return fetch(url + path, { method: 'POST', headers: bearer(secret), body: new URLSearchParams({ data: text }) });
  }

  interface Poll {
    status: number;
    lines: Update[][];
    text: string;
    ended: boolean;
  }

  async function poll(query = '', { secret = 'read', url = world.gateway.url, path = '/poll' } = {}): Promise<Poll> {
    const leaving = new AbortController();
    open.push(leaving);
    const response = await fetch(`${url}${path}${query}`, { headers: bearer(secret), signal: leaving.signal });
    const answer: Poll = { status: response.status, lines: [], text: '', ended: false };
    void (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        answer.text += chunk;
        const lines = answer.text.split('\n').slice(0, -1);
        answer.lines = response.ok ? lines.map((line) => JSON.parse(line) as Update[]) : [];
      }
      answer.ended = true;
    })().catch(() => undefined);
    return answer;
  }

  const has = (answer: Poll, count: number): Promise<true> =>
    eventually(() => answer.lines.length === count || undefined);

  it('are polled as one line with the whole state, and a line for each batch, from any gateway', async () => {
    const empty = await poll();
    await has(empty, 1);
    expect(empty.text.trim()).to.equal('[]');
    expect((await send(update('alice', 'bob'))).status).to.equal(200);
    const later = await poll('', { url: second.url });
    await has(later, 1);
    expect(later.lines[0]).to.have.deep.members(update('alice', 'bob'));
    await send([...update('carol'), ...remove('alice', 'nobody')], { url: second.url });
    await has(empty, 3);
    await has(later, 2);
    for (const answer of [empty, later])
      expect(answer.lines.at(-1)).to.deep.equal([...remove('alice'), ...update('carol')]);
    expect((await world.gateway.status()).streams, 'one reader for all who poll').to.equal(1);
  });

  it('send a space now and then, and never an empty line', async () => {
    const answer = await poll();
    await eventually(() => / {2}$/.test(answer.text));
    await send(update('alice'));
    await has(answer, 2);
    expect(answer.text).not.to.match(/^\s*\n/m);
  });

  it('end after the first news with once, and begin behind a revision with since', async () => {
    const once = await poll('?once=1');
    await has(once, 1);
    expect(once.ended).to.equal(false);
    const { revision } = (await (await send(update('alice'))).json()) as { revision: number };
    await eventually(() => once.ended);
    expect(once.lines).to.have.length(2);
    await send(update('bob'));
    await send(remove('alice'));
    const since = await poll(`?since=${revision}&once=1`);
    await eventually(() => since.ended);
    expect(since.lines).to.deep.equal([update('bob'), remove('alice')]);
    const waiting = await poll(`?since=${revision + 2}&once=1`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(waiting.lines).to.have.length(0);
    await send(update('carol'));
    await eventually(() => waiting.ended);
    expect(waiting.lines).to.deep.equal([update('carol')]);
    for (const gone of [0, revision + 1000].map((number) => `?since=${number}`)) {
      await world.client.xtrim('sisyphus:{0}:channel:collection:users:msg_backlog', 'MAXLEN', 1);
      const whole = await poll(gone);
      await has(whole, 1);
      expect(whole.lines[0], gone).to.have.deep.members(update('bob', 'carol'));
    }
    expect((await poll('?since=x')).status).to.equal(400);
  });

  it('refuse at once whoever has no secret, or another one, each direction for itself', async () => {
    for (const [secret, status] of [
      ['read', 200],
      ['secret-of-the-application', 200],
      ['app', 403],
      ['write', 403],
      ['some-other-secret', 403],
    ] as const) {
      const answer = await poll('', { secret });
      expect(answer.status, secret).to.equal(status);
      if (status === 403) await eventually(() => answer.ended);
    }
    expect((await fetch(`${world.gateway.url}/poll`)).status).to.equal(403);
    expect((await send(update('a'), { secret: 'read' })).status).to.equal(403);
    const off = await poll('', { path: '/sync/rooms/poll' });
    expect(off.status).to.equal(403);
    await eventually(() => /expected a secret for it/.test(off.text));
    expect((await poll('', { path: '/sync/nobody/poll' })).status).to.equal(404);
  });

  it('take the hmac of the old protocol, for two minutes', async () => {
    const sign = (secret: string, text: string, ago = 0): string => {
      const time = Math.floor(Date.now() / 1000) - ago;
      return `${time}:${createHmac('sha256', secret).update(`${text}${time}`).digest('hex')}`;
    };
    const data = '[{"type": "update", "data": {"login": "alice"}}]';
    const post = (hmac: string): Promise<Response> =>
      fetch(`${world.gateway.url}/update`, { method: 'POST', body: new URLSearchParams({ data, hmac }) });
    expect((await post(sign('write', data))).status).to.equal(200);
    expect((await post(sign('write', data, 200))).status).to.equal(403);
    expect((await post(sign('write', `${data} `))).status).to.equal(403);
    const get = (hmac: string): Promise<Response> => fetch(`${world.gateway.url}/poll?once=1&since=0&hmac=${hmac}`);
    expect((await get(sign('read', 'None'))).status).to.equal(200);
    expect((await get(sign('read', ''))).status).to.equal(403);
    expect(await (await fetch(`${world.gateway.url}/__ping`)).text()).to.equal('pong');
  });

  it('change nothing if one update of a batch is wrong', async () => {
    await send(update('alice'));
    for (const [data, status] of [
      [[...update('bob'), { type: 'upsert', data: { login: 'x' } }], 400],
      [[...update('bob'), { type: 'update', data: {} }], 400],
      [{}, 400],
      ['', 400],
      [update('bob', 'bob'), 400],
      [update('__proto__'), 400],
      [update('x'.repeat(10_485_760)), 413],
    ] as const) {
      const response = await send(data);
      expect(response.status).to.equal(status);
      expect(await response.json()).to.have.property('message');
    }
    const answer = await poll();
    await has(answer, 1);
    expect(answer.lines[0]).to.deep.equal(update('alice'));
    const body = new URLSearchParams({ other: 'x' });
    const bare = await fetch(`${world.gateway.url}/update`, { method: 'POST', headers: bearer('write'), body });
    expect(await bare.json()).to.include({ message: 'the field data is missing: expected a JSON array of updates' });
  });

  it('are read and written by a client in Python', async () => {
    const run = (verb: string): Child => new Child('python3', ['-c', PYTHON, world.gateway.url, verb]);
    const reader = run('poll');
    await eventually(() => reader.stdout.startsWith('{}\n'), 10_000);
    const writer = run('update');
    expect((await writer.exited).code, writer.stderr).to.equal(0);
    await eventually(() => /"python": \{"login": "python", "shell": "\/bin\/\\u00e9"\}/.test(reader.stdout));
    await send(remove('python'));
    await eventually(() => reader.stdout.endsWith('}\n{}\n'));
    reader.kill('SIGKILL');
    await reader.exited;
  });

  it('are told in one line what is different after changes were lost', async () => {
    await send(update('alice', 'bob'));
    const answer = await poll();
    await has(answer, 1);
    await world.client.flushall();
    await eventually(async () => (await send(update('carol'))).status === 200);
    await eventually(() => JSON.stringify(answer.lines).includes('carol'));
    const state = new Map<string, Item>();
    for (const { type, data } of answer.lines.flat()) {
      if (type === 'update') state.set(String(data.login), data);
      else state.delete(String(data.login));
    }
    expect([...state.keys()]).to.deep.equal(['carol']);
  });

  it('have a client that follows through a gateway that is killed, and reports what was deleted meanwhile', async () => {
    const gateway = await startGateway({ REDIS_URL: world.redis.url, ...ENV });
    const { port } = gateway;
    const errors: string[] = [];
    const log = { error: ({ event }: Record<string, unknown>) => void errors.push(String(event)) };
    const pauses = { first: 20, longest: 100 };
    const options = { url: gateway.url, key: 'login', sendSecret: 'write', receiveSecret: 'read', log, pauses };
    const client = new SyncClient(options);
    await client.sendUpdates(update('alice', 'bob') as Update[]);
    const leaving = new AbortController();
    const told: Record<string, Fate>[] = [];
    let logins: string[] = [];
    const polling = client.pollUpdates(
      (state, fates) => {
        logins = [...state.keys()].sort();
        told.push(Object.fromEntries(fates));
        if (told.length === 2) throw new Error('a mistake in the callback');
      },
      { signal: leaving.signal },
    );
    await eventually(() => told.length === 1);
    await client.sendUpdate({ type: 'update', data: { login: 'carol', x: 1 } });
    await eventually(() => told.length === 2);
    gateway.kill('SIGKILL');
    await gateway.exited;
    await send([...remove('alice'), ...update('dave'), { type: 'update', data: { login: 'carol', x: 2 } }]);
    const again = await startGateway({ REDIS_URL: world.redis.url, ...ENV, PORT: String(port) });
    await eventually(() => told.length === 3, 10_000);
    expect(told).to.deep.equal([
      { alice: 'created', bob: 'created' },
      { carol: 'created' },
      { alice: 'deleted', carol: 'updated', dave: 'created' },
    ]);
    expect(logins).to.deep.equal(['bob', 'carol', 'dave']);
    expect(errors).to.include.members(['callback_failed', 'poll_failed']);
    leaving.abort();
    await polling;
    const wrong = new SyncClient({ ...options, receiveSecret: 'x', sendSecret: 'x' });
    for (const call of [wrong.pollUpdates(() => undefined), wrong.sendUpdates([])])
      expect(await call.catch((error: unknown) => error)).to.be.instanceOf(WrongSecret);
    await again.stop();
  });

  it('end their polls when the gateway is stopped, and answer 503 while Redis is away', async () => {
    const gateway = await startGateway({ REDIS_URL: world.redis.url, ...ENV });
    const answer = await poll('', { url: gateway.url });
    await has(answer, 1);
    await gateway.stop();
    await eventually(() => answer.ended);
    world.redis.kill('SIGSTOP');
    expect((await poll()).status).to.equal(503);
    world.redis.kill('SIGCONT');
    await eventually(async () => (await poll()).status === 200, 10_000);
  });

  it('are not there unless they are asked for', async () => {
    const gateway = await startGateway({ REDIS_URL: world.redis.url, ...ENV, SISYPHUS_PROTOCOLS: '' });
    for (const path of ['/poll', '/sync/users/poll', '/__ping'])
      expect((await fetch(gateway.url + path)).status, path).to.equal(404);
    await gateway.stop();
  });
});
