import { expect } from 'chai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type Change, LivePage, type Row } from '../support/live-page.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const COLLECTIONS = JSON.stringify({
  drivers: { key: 'driver_name', public: true, send: ['only-for-drivers', 'named'] },
  staff: { key: 'login' },
  present: { key: 'login', public: true, ttl: '500ms' },
});
const SECRETS = `all:${PUBLISH_SECRET}\nrooms:only-for-rooms:room:*\nnamed:secret-with-a-name:room:*`;
const ENV = {
  SISYPHUS_COLLECTIONS: COLLECTIONS,
  SISYPHUS_PUBLISH_SECRET: SECRETS,
  SISYPHUS_BACKLOG_LENGTH: '10000',
};

interface Snapshot {
  drivers: Row[];
  revision: number;
  epoch: string;
  id: string;
  key: string;
}

describe('collections over HTTP', function () {
  this.timeout(60_000);
  let world: World;
  let second: Gateway;

  before(async () => {
    world = await startWorld(ENV);
    second = await startGateway({ REDIS_URL: world.redis.url, ...ENV });
  });
  after(async () => {
    await second.stop();
    await world.stop();
  });
  beforeEach(async () => {
    await put([]);
  });
  afterEach(() => world.closeStreams());

  function send(
    method: 'PUT' | 'PATCH',
    body: unknown,
    { secret = PUBLISH_SECRET, name = 'drivers', url = world.gateway.url, headers = {} } = {},
  ): Promise<Response> {
    return fetch(`${url}/live/${name}`, {
      method,
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${secret}`, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  async function put(list: Row[], options = {}): Promise<{ id: string; revision: number; created: number }> {
    const response = await send('PUT', list, options);
    expect(response.status).to.equal(200);
    return (await response.json()) as { id: string; revision: number; created: number };
  }

  async function patch(...batch: unknown[]): Promise<{ id: string; revision: number }> {
    const response = await send('PATCH', batch);
    expect(response.status).to.equal(200);
    return (await response.json()) as { id: string; revision: number };
  }

  const update = (...names: string[]) => names.map((name) => ({ type: 'update', data: { driver_name: name } }));
  const read = async (url = world.gateway.url): Promise<Snapshot> =>
    (await (await fetch(`${url}/live/drivers`)).json()) as Snapshot;
  const open = (path: string, headers: Record<string, string> = {}): Promise<RawStream> =>
    world.openOk({ path: `/live/${path}`, headers });
  const changesOn = ({ messages }: RawStream): Change[] => messages.map(({ data }) => JSON.parse(data!) as Change);

  it('have a snapshot with a revision, an epoch and an id, at every gateway', async () => {
    const { revision: before } = await read();
    const { id, revision, ...counts } = await put([{ driver_name: 'Josh', lap: 3 }, { driver_name: 'Sylvia' }]);
    expect(counts).to.deep.equal({ created: 2, updated: 0, destroyed: 0 });
    expect(revision).to.equal(before + 1);
    const response = await fetch(`${second.url}/live/drivers`);
    expect(response.headers.get('Cache-Control')).to.equal('no-cache');
    expect(response.headers.get('Content-Type')).to.match(/^application\/json/);
    const snapshot = (await response.json()) as Snapshot;
    expect(Object.keys(snapshot)).to.deep.equal(['drivers', 'revision', 'epoch', 'id', 'key']);
    expect(snapshot).to.deep.include({ revision, key: 'driver_name' });
    expect(snapshot.drivers).to.deep.equal([{ driver_name: 'Josh', lap: 3 }, { driver_name: 'Sylvia' }]);
    expect(Number(snapshot.id)).to.be.at.least(Number(id));
    await put([]);
    expect((await read()).drivers).to.deep.equal([]);
  });

  it('are answered 304 while nothing has changed', async () => {
    const first = await fetch(`${world.gateway.url}/live/drivers`);
    const tag = first.headers.get('ETag')!;
    const { epoch, revision } = (await first.json()) as Snapshot;
    expect(tag).to.equal(`"${epoch}-${revision}"`);
    const again = (url: string) => fetch(`${url}/live/drivers`, { headers: { 'If-None-Match': tag } });
    await world.publish.fcall('room:1', 'something else');
    for (const url of [world.gateway.url, second.url]) expect((await again(url)).status).to.equal(304);
    await patch(...update('a'));
    for (const url of [world.gateway.url, second.url]) expect((await again(url)).status).to.equal(200);
  });

  it('that there are not are 404', async () => {
    for (const path of ['/live/nobody', '/live/nobody/events', '/live/__proto__', '/live/constructor'])
      expect((await fetch(world.gateway.url + path)).status, path).to.equal(404);
    for (const method of ['PUT', 'PATCH'] as const)
      expect((await send(method, [], { name: 'nobody' })).status).to.equal(404);
  });

  for (const [what, method, body, status, headers] of [
    ['an unknown type', 'PATCH', [{ type: 'upsert', data: { driver_name: 'b' } }], 400],
    [
      'a missing key',
      'PATCH',
      [...[{ type: 'update', data: { driver_name: 'b' } }], { type: 'update', data: {} }],
      400,
    ],
    ['no array', 'PATCH', { type: 'update', data: { driver_name: 'b' } }, 400],
    ['no array of records', 'PUT', { driver_name: 'b' }, 400],
    ['no JSON', 'PUT', '[{"driver_name":"b"}', 400],
    ['a key named __proto__', 'PATCH', [{ type: 'update', data: { driver_name: '__proto__' } }], 400],
    ['a member named __proto__', 'PUT', '[{"driver_name":"b","__proto__":{"x":1}}]', 400],
    ['duplicate keys', 'PATCH', [1, 2].map((lap) => ({ type: 'update', data: { driver_name: 'b', lap } })), 400],
    ['duplicate keys in a list', 'PUT', [{ driver_name: 'b' }, { driver_name: 'b' }], 400],
    ['10 MB', 'PATCH', [{ type: 'update', data: { driver_name: 'b', text: 'x'.repeat(10_485_760) } }], 413],
    ['10 MB in a list', 'PUT', [{ driver_name: 'b', text: 'x'.repeat(10_485_760) }], 413],
    ['a record that is too large', 'PUT', [{ driver_name: 'b', text: 'x'.repeat(300_000) }], 413],
    ['bytes that are no UTF-8', 'PUT', Buffer.from('[{"driver_name":"\xff"}]', 'latin1') as unknown as string, 400],
    ['another type', 'PUT', '[]', 415, { 'Content-Type': 'text/plain' }],
  ] as [string, 'PUT' | 'PATCH', unknown, number, Record<string, string>?][]) {
    it(`refuse ${what} with ${status}, and nothing has changed`, async () => {
      await put([{ driver_name: 'a' }]);
      const before = await read();
      const sent = Buffer.isBuffer(body) ? (body as unknown as string) : body;
      const response = await (Buffer.isBuffer(sent)
        ? fetch(`${world.gateway.url}/live/drivers`, {
            method,
            headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${PUBLISH_SECRET}` },
            body: new Uint8Array(sent),
          })
        : send(method, sent, { headers }));
      expect(response.status).to.equal(status);
      expect(await response.json())
        .to.have.property('message')
        .that.match(/expected|may have/);
      const { drivers, revision, epoch } = await read();
      expect({ drivers, revision, epoch }).to.deep.equal({
        drivers: before.drivers,
        revision: before.revision,
        epoch: before.epoch,
      });
    });
  }

  it('are changed only with a publish secret for their channel', async () => {
    expect((await send('PUT', [], { secret: 'wrong' })).status).to.equal(401);
    const response = await send('PATCH', update('a'), { secret: 'only-for-rooms' });
    expect(response.status).to.equal(403);
    expect(await response.json()).to.include({ error: 'forbidden_channel' });
    for (const secret of ['only-for-drivers', 'secret-with-a-name']) {
      expect((await send('PATCH', update('a'), { secret })).status, secret).to.equal(200);
      expect((await send('PATCH', [], { secret, name: 'staff' })).status, secret).to.be.within(401, 403);
    }
    expect((await send('PUT', [], { secret: 'named' })).status).to.equal(401);
    expect((await send('PUT', [], { headers: { Origin: 'https://elsewhere.example' } })).status).to.equal(403);
  });

  it('are changed once by a request that comes twice with one Idempotency-Key', async () => {
    const headers = { 'Idempotency-Key': `key ${Date.now()}`.replace(' ', '-') };
    const first = await (await send('PATCH', update('a'), { headers })).json();
    expect(await (await send('PATCH', update('a'), { headers })).json()).to.deep.equal(first);
    expect((await send('PATCH', update('b'), { headers })).status).to.equal(409);
  });

  it('stream the last 10 changes first, each a message of its own, then live', async () => {
    for (let i = 0; i < 12; i++) await patch(...update(`d${i}`));
    const { revision } = await read();
    const stream = await open('drivers/events');
    await stream.until(({ messages }) => messages.length === 10);
    await patch(...update('live'));
    await stream.until(({ messages }) => messages.length === 11);
    expect(changesOn(stream).map((change) => change.revision)).to.deep.equal(
      Array.from({ length: 11 }, (_, i) => revision - 9 + i),
    );
    expect(changesOn(stream).at(-1)).to.deep.include({
      version: revision + 1,
      drivers: { create: ['live'], update: [{ driver_name: 'live' }], destroy: [] },
    });
    const few = await open('drivers/events?overlap=2');
    await few.until(({ messages }) => messages.length === 2);
    const none = await open('drivers/events?overlap=0');
    await patch(...update('later'));
    await none.until(({ messages }) => messages.length === 1);
    await few.until(({ messages }) => messages.length === 3);
  });

  it('stream the last changes of the present epoch only: a page would start over with each other one, again and again', async () => {
    for (const name of ['a', 'b', 'c']) await patch({ type: 'update', data: { driver_name: name } });
    const { epoch } = await read();
    // Larger than a message may be, so it begins another epoch.
    await put(['d', 'e', 'f'].map((name) => ({ driver_name: name, text: name.repeat(100_000) })));
    expect((await read()).epoch).not.to.equal(epoch);
    await patch({ type: 'delete', data: { driver_name: 'd' } });
    const { revision } = await read();
    const page = new LivePage({ port: world.gateway.port, begin: 'overlap=100' });
    page.start();
    try {
      await patch({ type: 'delete', data: { driver_name: 'e' } });
      await page.reaches(revision + 1);
      expect([page.startOvers, [...page.rows.keys()]]).to.deep.equal([0, ['f']]);
    } finally {
      await page.close();
    }
  });

  it('join their snapshot exactly with since, and replay by Last-Event-ID after that', async () => {
    for (let i = 0; i < 5; i++) await patch(...update(`d${i}`));
    const { id, revision } = await read();
    for (let i = 0; i < 3; i++) await patch(...update(`e${i}`));
    const stream = await open(`drivers/events?since=${id}`);
    await stream.until(({ messages }) => messages.length === 3);
    expect(changesOn(stream).map((change) => change.revision)).to.deep.equal([1, 2, 3].map((i) => revision + i));
    stream.cut();
    await patch(...update('f'));
    const again = await open(`drivers/events?since=${id}`, { 'Last-Event-ID': stream.lastEventId! });
    await again.until(({ messages }) => messages.length === 1);
    expect(changesOn(again)).to.have.nested.property('[0].revision', revision + 4);
  });

  it('come on the one stream of a user who has the channel on the list, and end with the right', async () => {
    const name = { name: 'staff' };
    const stream = await world.openOk({ path: '/?user=9' });
    expect((await fetch(`${world.gateway.url}/live/staff?user=9`)).status).to.equal(403);
    expect((await fetch(`${world.gateway.url}/live/staff`)).status).to.equal(401);
    const refused = world.open({ path: '/live/staff/events?user=9' });
    await refused.until(({ frames }) => frames.some(({ text }) => text.includes(': refused')));
    await world.client.call('FCALL', 'sisyphus_grant', '1', 'sisyphus:{0}', '9', 'collection:staff');
    expect((await fetch(`${world.gateway.url}/live/staff?user=9`)).status).to.equal(200);
    await send('PUT', [{ login: 'alice' }], name);
    await stream.until(({ messages }) => messages.some(({ data }) => data?.includes('"create":["alice"]')));
    const own = await world.openOk({ path: '/live/staff/events?user=9' });
    await own.until(({ messages }) => messages.length === 1);
    await world.client.call('FCALL', 'sisyphus_revoke', '1', 'sisyphus:{0}', '9', 'collection:staff');
    await send('PUT', [{ login: 'bob' }], name);
    await world.publish.fcall('user:9', '<end/>');
    await stream.until(({ messages }) => messages.some(({ data }) => data === '<end/>'));
    expect(stream.messages.filter(({ data }) => data?.includes('bob'))).to.deep.equal([]);
    expect(own.messages.filter(({ data }) => data?.includes('bob'))).to.deep.equal([]);
    expect((await fetch(`${world.gateway.url}/live/staff?user=9`)).status).to.equal(403);
  });

  it('scenario 1: after revision 121 comes 123, and the page starts over', async () => {
    const page = new LivePage({ port: world.gateway.port });
    await put([{ driver_name: 'a' }]);
    await page.load();
    const { revision } = await read();
    const stream = await open('drivers/events?overlap=0');
    await patch(...update('missed'));
    await patch(...update('seen'));
    await stream.until(({ messages }) => messages.length === 2);
    const [, seen] = changesOn(stream);
    expect(seen!.revision).to.equal(revision + 2);
    expect(page.apply(seen!)).to.equal(true);
    await page.load();
    expect([...page.rows.values()]).to.deep.equal((await read()).drivers);
  });

  it('scenario 2: the page has revision 52 already, and ignores it and all before it', async () => {
    for (let i = 0; i < 4; i++) await patch(...update(`d${i}`));
    const page = new LivePage({ port: world.gateway.port, begin: 'overlap=10' });
    page.start();
    await eventually(() => page.ignored >= 4);
    const { revision } = await patch(...update('next'));
    await page.reaches(revision);
    expect(page.applied).to.deep.equal([revision]);
    expect(page.startOvers).to.equal(0);
    expect([...page.rows.values()]).to.deep.equal((await read()).drivers);
    await page.close();
  });

  it('miss nothing and apply nothing twice between snapshot and stream, in 1,000 trials', async function () {
    this.timeout(120_000);
    let isWriting = true;
    let lap = 0;
    const writer = (async () => {
      while (isWriting) await patch({ type: 'update', data: { driver_name: `d${lap % 9}`, lap: lap++ } });
    })();
    const trial = async (i: number): Promise<void> => {
      const { port } = i % 2 === 0 ? world.gateway : second;
      // More changes than 10 may come between the two on a busy machine.
      const begin = i % 3 === 0 ? 'overlap=1000' : 'since';
      const page = new LivePage({ port, begin, delay: () => Math.random() * 8 });
      page.start();
      await eventually(() => page.applied.length >= 2, 20_000);
      await page.close();
      const first = page.applied[0]!;
      expect(page.applied).to.deep.equal(page.applied.map((_, n) => first + n));
      expect(page.startOvers, begin).to.equal(0);
    };
    try {
      for (let i = 0; i < 1000; i += 25) await Promise.all(Array.from({ length: 25 }, (_, n) => trial(i + n)));
    } finally {
      isWriting = false;
      await writer;
    }
    const last = new LivePage({ port: world.gateway.port });
    await last.load();
    expect(last.revision).to.equal((await read(second.url)).revision);
  });

  it('start over once if the store is emptied, in another epoch', async () => {
    await put([{ driver_name: 'a' }]);
    const page = new LivePage({ port: world.gateway.port });
    page.start();
    await eventually(() => page.revision > 0);
    const { epoch } = page;
    await world.client.flushall();
    await eventually(() => page.epoch !== epoch);
    await eventually(async () => (await send('PUT', [{ driver_name: 'b' }])).status === 200);
    await eventually(() => page.rows.has('b'));
    expect(page.startOvers).to.be.within(1, 2);
    expect(page.revision).to.equal(1);
    await page.close();
  });

  it('destroy a record within a second after its time, once, whichever gateways run', async () => {
    const stream = await open('present/events?overlap=0');
    const begun = performance.now();
    await send('PUT', [{ login: 'alice' }, { login: 'bob' }], { name: 'present' });
    await stream.until(({ messages }) => messages.length >= 2, 5_000);
    expect(performance.now() - begun).to.be.above(490);
    const [, gone] = changesOn(stream);
    expect(gone!.present).to.deep.equal({ create: [], update: [], destroy: ['alice', 'bob'] });
    await eventually(async () => {
      const answer = (await (await fetch(`${second.url}/live/present`)).json()) as { present: Row[]; revision: number };
      return answer.present.length === 0 && answer.revision === gone!.revision;
    });
  });
});

describe('collections and many writers', function () {
  this.timeout(60_000);

  it('start over in another epoch if the revision goes back, because Redis comes back without its last changes', async () => {
    const world = await startWorld(ENV, { redisArgs: ['--save', '3600 1000000'] });
    const write = (lap: number): Promise<unknown> =>
      eventually(async () => {
        const list = JSON.stringify([{ driver_name: 'a', lap }]);
        const answer = await world.client.call('FCALL', 'sisyphus_put', '1', 'sisyphus:{0}', 'drivers', list);
        return answer !== null;
      }, 10_000);
    const page = new LivePage({ port: world.gateway.port });
    page.start();
    await write(1);
    await world.client.save();
    for (const lap of [2, 3, 4]) await write(lap);
    await page.reaches(4);
    const { epoch } = page;
    const snapshot = (headers = {}): Promise<Response> => fetch(`${world.gateway.url}/live/drivers`, { headers });
    const tag = (await snapshot()).headers.get('ETag')!;
    world.redis.kill('SIGKILL');
    await world.redis.restart();
    for (const lap of [12, 13, 14]) await write(lap);
    await eventually(() => page.rows.get('a')?.lap === 14, 10_000);
    expect(page.revision).to.equal(4);
    expect(page.epoch).not.to.equal(epoch);
    expect(page.startOvers).to.be.within(1, 2);
    expect((await snapshot({ 'If-None-Match': tag })).status).to.equal(200);
    await page.close();
    await world.stop();
  });

  it('have one order for everybody: 100 concurrent writers at 3 gateways', async () => {
    const world = await startWorld(ENV);
    const others = await Promise.all([1, 2].map(() => startGateway({ REDIS_URL: world.redis.url, ...ENV })));
    const gateways = [world.gateway, ...others];
    const pages = gateways.map(({ port }) => new LivePage({ port }));
    for (const page of pages) page.start();
    await eventually(() => pages.every(({ revision }) => revision >= 0));
    const revisions = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const data = (part: number) => ({ type: 'update', data: { driver_name: `part ${part}`, writer: i } });
        const response = await fetch(`${gateways[i % 3]!.url}/live/drivers`, {
          method: 'PATCH',
          headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${PUBLISH_SECRET}` },
          body: JSON.stringify([data(1), data(2), data(3)]),
        });
        expect(response.status).to.equal(200);
        return ((await response.json()) as { revision: number }).revision;
      }),
    );
    expect(revisions.sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 100 }, (_, i) => i + 1));
    for (const page of pages) {
      await page.reaches(100);
      expect(page.startOvers).to.equal(0);
      expect(new Set([...page.rows.values()].map(({ writer }) => writer)).size, 'no batch is half applied').to.equal(1);
      expect([...page.rows.values()]).to.have.deep.members([...pages[0]!.rows.values()]);
      await page.close();
    }
    for (const gateway of others) await gateway.stop();
    await world.stop();
  });

  it('keep the newest of several lists that wait, and answer the others superseded', async () => {
    const world = await startWorld(ENV, { redisDelayMs: 100 });
    const put = (name: string): Promise<Response> =>
      fetch(`${world.gateway.url}/live/drivers`, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${PUBLISH_SECRET}` },
        body: JSON.stringify([{ driver_name: name }]),
      });
    const answers: Promise<Response>[] = [];
    const status: (number | undefined)[] = [];
    for (const [i, name] of ['a', 'b', 'c', 'd'].entries()) {
      answers.push(put(name));
      void answers[i]!.then((response) => {
        status[i] = response.status;
      });
      // Those that are replaced are answered at once: then the next one is on its way.
      await (i < 2 ? new Promise((resolve) => setTimeout(resolve, 30)) : eventually(() => status[i - 1] === 409));
    }
    const all = await Promise.all(answers);
    expect(all.map((response) => response.status)).to.deep.equal([200, 409, 409, 200]);
    expect(await all[1]!.json()).to.include({ error: 'superseded' });
    const { drivers, revision } = (await (await fetch(`${world.gateway.url}/live/drivers`)).json()) as Snapshot;
    expect({ drivers, revision }).to.deep.equal({ drivers: [{ driver_name: 'd' }], revision: 2 });
    await world.stop();
  });
});
