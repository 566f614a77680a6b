import { expect } from 'chai';
import { asText, Monitor } from '../support/monitor.ts';
import { isOk, type RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const OK = /^id: (\d{16})\ndata: <message><status>ok<\/status><\/message>\nretry: (\d+)\n\n$/;
const FAILURE =
  /^id: (\d+)\ndata: <message><status>failure<\/status><\/message>\nretry: (\d+)\n: (missing|blank|repeated|malformed)\n/;

/** As they stand in the URL. */
const MALFORMED: Record<string, string> = {
  'no user': '/',
  'no user but other parameters': '/?format=raw&since=0',
  'a user under another name': '/?User=1&id=1',
  'an empty user': '/?user=',
  'a user without a value': '/?user',
  'a blank': '/?user=%20',
  'a blank as a plus sign': '/?user=+',
  'blanks around': '/?user=%201%20',
  'two users': '/?user=1&user=2',
  'the same user twice': '/?user=1&user=1',
  'an empty user first': '/?user=&user=1',
  'an array': '/?user[]=1',
  'an object': '/?user[id]=1',
  "another key's name": '/?user=1:channels',
  'the same, encoded': '/?user=1%3Achannels',
  'a NUL': '/?user=%00',
  'a NUL after the user': '/?user=1%00',
  'a line feed': '/?user=1%0a',
  'a line feed and a command': '/?user=1%0d%0aPUBLISH%20room:2%20x',
  'a frame': '/?user=1%0a%0adata:%20x',
  DEL: '/?user=1%7f',
  'a star': '/?user=*',
  'a question mark': '/?user=?',
  'a glob class': '/?user=[a-z]',
  'a glob behind': '/?user=1*',
  'a backslash': '/?user=1%5C',
  'a hash tag': '/?user=%7Broom%7D',
  'a slash': '/?user=1/2',
  'a path': '/?user=..%2F1',
  'a letter beyond ASCII': '/?user=%C3%A9',
  'a digit of another width': '/?user=%EF%BC%91',
  'bytes that are no UTF-8': '/?user=%FF',
  'a broken escape': '/?user=%zz',
  'half an escape': '/?user=1%',
  markup: '/?user=%3Cb%3E',
  '129 characters': `/?user=${'a'.repeat(129)}`,
  '10 kB': `/?user=${'a'.repeat(10_000)}`,
};

const WELL_FORMED: Record<string, string> = {
  'a digit': '1',
  '128 characters': 'a'.repeat(128),
  'every sign that is allowed': 'A.z_0@b%2Bc-d',
  'a name of the language': '__proto__',
  another: 'constructor',
  'an encoded digit': '%31',
};

describe('the first frame', () => {
  let world: World;

  before(async () => {
    world = await startWorld();
    await world.allow('1', 'room:1');
  });

  after(() => world?.stop());
  afterEach(() => world.closeStreams());

  async function firstFrame(path: string, headers: Record<string, string> = {}): Promise<RawStream> {
    const stream = world.open({ path, headers });
    await stream.until(({ frames }) => frames.length > 0);
    expect(stream.status).to.equal(200);
    return stream;
  }

  for (const path of ['/?user=1', '/stream?user=1']) {
    it(`of ${path} is a status, byte for byte, and nothing before it`, async () => {
      const stream = await firstFrame(path);
      const [, id, retry] = OK.exec(String(stream.bytes)) ?? [];
      expect(id, String(stream.bytes)).to.be.a('string');
      expect(Number(retry)).to.be.within(3_000, 5_000);
      expect(stream.closed).to.equal(false);
    });
  }

  it('has a time to come back that differs from stream to stream', async () => {
    const streams = await Promise.all(Array.from({ length: 20 }, (_, user) => firstFrame(`/?user=${user + 100}`)));
    const times = new Set(streams.map(({ frames }) => frames[0]!.retry));
    expect(times.size).to.be.greaterThan(10);
  });

  it('has the place that Redis is at, and not an earlier one', async () => {
    const { id } = await world.publish.fcall('room:1', 'before');
    const stream = await firstFrame('/?user=1');
    expect(Number(stream.frames[0]!.id)).to.be.at.least(Number(id));
    const after = await world.publish.fcall('room:1', 'after');
    const message = await stream.frame(({ data }) => data === 'after');
    expect(message.id).to.equal(after.id);
    expect(Number(after.id)).to.be.greaterThan(Number(stream.frames[0]!.id));
    expect(stream.messages).to.have.length(1);
  });

  it('of a client that comes back has its own position, so that a drop right behind it loses nothing', async () => {
    const { id } = await world.publish.fcall('room:1', 'what it has');
    await world.publish.fcall('room:1', 'what it missed');
    const stream = await firstFrame('/?user=1', { 'Last-Event-ID': id! });
    expect(stream.frames[0]!.id).to.equal(id);
    await stream.frame(({ data }) => data === 'what it missed');
  });

  it('takes the position of a polyfill from the address, and that of the header before it', async () => {
    const { id } = await world.publish.fcall('room:1', 'what it has');
    const { id: later } = await world.publish.fcall('room:1', 'what it missed');
    const stream = await firstFrame(`/?user=1&lastEventId=${id}`);
    expect(stream.frames[0]!.id).to.equal(id);
    await stream.frame(({ data }) => data === 'what it missed');
    const other = await firstFrame(`/?user=1&lastEventId=${id}`, { 'Last-Event-ID': later! });
    expect(other.frames[0]!.id).to.equal(later);
    await world.publish.fcall('room:1', 'the end');
    await other.frame(({ data }) => data === 'the end');
    expect(other.messages).to.have.length(1);
  });

  for (const [what, user] of Object.entries(WELL_FORMED)) {
    it(`is ok for ${what}, which hears its own channel`, async () => {
      const stream = await firstFrame(`/?user=${user}`);
      expect(isOk(stream.frames[0]!)).to.equal(true);
      await world.publish.fcall(`user:${decodeURIComponent(user)}`, 'hello');
      await stream.frame(({ data }) => data === 'hello');
    });
  }

  for (const [what, path] of Object.entries(MALFORMED)) {
    it(`is failure for ${what}, and the end`, async () => {
      const stream = await firstFrame(path);
      await stream.ended(1_000);
      const [, , retry] = FAILURE.exec(String(stream.bytes)) ?? [];
      expect(retry, String(stream.bytes)).to.be.a('string');
      expect(Number(retry)).to.be.within(30_000, 60_000);
      expect(stream.header('content-type')).to.match(/^text\/event-stream/);
    });
  }

  for (const [what, path, headers] of [
    ['an id of 10 kB', '/?user=1', { 'Last-Event-ID': '9'.repeat(10_000) }],
    ['an id of 60 kB', '/?user=1', { 'Last-Event-ID': '9'.repeat(60_000) }],
    ['a user of 60 kB', `/?user=${'a'.repeat(60_000)}`, {}],
    ['cookies of 60 kB', '/?user=1', { Cookie: `a=${'b'.repeat(60_000)}` }],
  ] as const) {
    it(`is a status whatever the size of the request: ${what}`, async () => {
      const stream = await firstFrame(path, headers);
      expect(stream.frames[0]!.data).to.match(/^<message><status>(ok|failure)<\/status><\/message>$/);
    });
  }

  it('of a failure leaves the position where it was', async () => {
    const stream = await firstFrame('/?user=*', { 'Last-Event-ID': '1795206467123456' });
    await stream.ended(1_000);
    expect(stream.frames[0]!.id).to.equal('1795206467123456');
  });

  it('of a failure is JSON for those who want JSON', async () => {
    const stream = await firstFrame('/?user=*&format=json');
    await stream.ended(1_000);
    expect(stream.frames[0]!.data).to.equal('{"status":"failure","reason":"malformed"}');
    expect(stream.frames[0]!.comments).to.deep.equal([]);
  });

  for (const [path, reason] of [
    ['/', 'missing'],
    ['/?user=', 'malformed'],
    ['/?user=1&user=1', 'malformed'],
    ['/?user=*', 'malformed'],
  ] as const) {
    it(`of a failure says why, in a word: ${path} is ${reason}`, async () => {
      const stream = await firstFrame(path);
      expect(String(stream.bytes)).to.match(new RegExp(`^id: \\d+\ndata: .*\nretry: \\d+\n: ${reason}\n\n$`));
    });
  }

  it('is an error with the word for it where the user has too many streams, and where all have', async () => {
    const small = await startWorld({ SISYPHUS_MAX_STREAMS: '3', SISYPHUS_MAX_STREAMS_PER_USER: '2' });
    try {
      await Promise.all(['1', '1', '2'].map((user) => small.openOk({ path: `/?user=${user}` })));
      // The whole gateway is full.
      for (const [user, format, expected] of [
        ['3', 'raw', '<message><status>error</status></message>'],
        ['3', 'json', '{"status":"error","reason":"capacity","limit":"SISYPHUS_MAX_STREAMS"}'],
      ]) {
        const stream = small.open({ path: `/?user=${user}&format=${format}` });
        await stream.ended();
        expect(stream.frames[0]!.data).to.equal(expected);
        expect(stream.frames[0]!.comments).to.deep.equal(format === 'raw' ? ['capacity', 'SISYPHUS_MAX_STREAMS'] : []);
        expect(stream.frames[0]!.retry).to.be.within(5_000, 10_000);
      }
      small.closeStreams();
      await eventually(async () => (await small.gateway.status()).streams === 0);
      await Promise.all(['1', '1'].map((user) => small.openOk({ path: `/?user=${user}` })));
      const stream = small.open({ path: '/?user=1' });
      await stream.ended();
      expect(stream.frames[0]!.comments).to.deep.equal(['capacity', 'SISYPHUS_MAX_STREAMS_PER_USER']);
      // The tabs of one user would ask again every few seconds for ever.
      expect(stream.frames[0]!.retry).to.be.within(30_000, 60_000);
      const { counters } = await small.gateway.status();
      expect(counters).to.have.property('refused').that.deep.equals({ capacity: 3 });
    } finally {
      await small.stop();
    }
  });

  it('takes the last position of an address that has two, as one to which a polyfill has added its own', async () => {
    const { id: first } = await world.publish.fcall('room:1', 'the first');
    const { id: last } = await world.publish.fcall('room:1', 'the last');
    const stream = await firstFrame(`/?user=1&lastEventId=${first}&lastEventId=${last}`);
    expect(stream.frames[0]!.id).to.equal(last);
    expect(stream.frames[0]!.comments).to.deep.equal([]);
    // An empty one is no position, and must not lose the one that there is.
    expect((await firstFrame(`/?user=1&lastEventId=${first}&lastEventId=`)).frames[0]!.id).to.equal(first);
  });

  it('tells the developer of the page what was ignored, and the log, once', async () => {
    const path = '/?user=1&usr=2&format=xml&since=abc&overlap=x';
    const notes = [
      'unknown parameter usr: expected user, c, poll, format, lastEventId, since, overlap',
      'format=xml: expected raw, json, frames',
      'since=abc: expected the id of a message, such as 1795206467123456',
      'overlap=x: expected a number from 1 to 1000',
    ];
    for (let i = 0; i < 3; i++) {
      const stream = await firstFrame(path);
      expect(stream.frames[0]!.fields).to.deep.equal(['id', 'data', 'retry']);
      expect(stream.frames[0]!.comments).to.deep.equal(notes);
    }
    const lines = world.gateway.logs.filter(({ event }) => event === 'parameter_ignored');
    for (const note of notes)
      expect(
        lines.filter(({ reason }) => reason === note),
        note,
      ).to.have.length(1);
  });

  it('tells it behind the word for a refusal, and in JSON too', async () => {
    const raw = await firstFrame('/?User=1');
    expect(raw.frames[0]!.comments).to.have.length(2);
    expect(raw.frames[0]!.comments[0]).to.equal('missing');
    const json = await firstFrame('/?User=1&format=json');
    expect(json.frames[0]!.comments[0]).to.match(/^unknown parameter User/);
  });
});

describe('a malformed user', () => {
  let world: World;

  before(async () => {
    world = await startWorld();
  });

  after(() => world?.stop());

  it('reaches no key, no channel and no pattern', async () => {
    const { client } = world;
    // What it would find if it got through.
    await client.sadd('user:1:channels:channels', 'room:1');
    await client.sadd('user:*:channels', 'room:1');
    await client.sadd('user::channels', 'room:1');
    // The gateway tries at its start what it may subscribe, and becomes the recorder.
    await eventually(async () => ((await world.gateway.status()).recorder as { role?: string }).role === 'leader');
    const heard = async (): Promise<unknown[]> =>
      ((await client.pubsub('CHANNELS')) as unknown[]).filter((name) => !String(name).endsWith('probe')).sort();
    const before = await heard();
    const commands: string[] = [];
    const monitor = await new Monitor(world.redis.port, (command) => commands.push(asText(command))).ready();
    const streams = Object.values(MALFORMED).map((path) => world.open({ path }));
    await Promise.all(streams.map((stream) => stream.ended()));
    await client.echo('the last command');
    while (!commands.includes('ECHO the last command')) await new Promise((resolve) => setTimeout(resolve, 10));
    monitor.close();
    const touching = commands.filter(
      (command) => /user:|room|psubscribe|channels/i.test(command) && !command.includes('user:probe'),
    );
    expect(touching).to.deep.equal([]);
    expect((await heard()).toString()).to.equal(before.toString());
    for (const stream of streams) expect(stream.frames).to.have.length(1);
  });
});

describe('a list with names that are no channels', () => {
  const STRANGE = [
    '*',
    'room:*',
    '[a-z]*',
    '__keyevent@0__:*',
    '__keyspace@0__:*',
    '+switch-master',
    'sisyphus:1',
    'sisyphus:{0}:channel:room:2:msg_backlog',
    'room:2\n',
    'room:\0',
    'a b',
    'room:{2}',
    'é',
    '',
    'r'.repeat(129),
    'x'.repeat(10_000),
  ];
  let world: World;

  before(async () => {
    world = await startWorld();
    await world.allow('1', 'room:1', '__proto__', 'constructor', ...STRANGE);
  });

  after(() => world?.stop());

  it('gives the channels that are, and logs the others', async () => {
    const stream = await world.openOk();
    for (const channel of ['room:1', '__proto__', 'constructor']) await world.publish.fcall(channel, `on ${channel}`);
    await stream.until(({ messages }) => messages.length === 3);
    expect(stream.messages.map(({ data }) => data)).to.deep.equal(['on room:1', 'on __proto__', 'on constructor']);
    await world.gateway.waitForLog(({ user, reason }) => user === '1' && /no channels/.test(String(reason)));
  });

  it('subscribes to none of the others, and hears nothing of them', async () => {
    const stream = await world.openOk();
    const { client } = world;
    const patterns = ['*', ...STRANGE.filter((name) => /[*[]/.test(name))];
    const listening = (await client.pubsub('CHANNELS')) as string[];
    for (const name of STRANGE) expect(listening, name).not.to.include(name);
    const topics = listening.filter((topic) => topic.startsWith('sisyphus{0}/'));
    // Gaps, that all is recorded, and disconnects are said on topics of their own, which no list can name.
    const own = ['@gap', '@settled', '@disconnect', 'user/1', 'room/1', '__proto__', 'constructor'].map(
      (name) => `sisyphus{0}/${name}`,
    );
    expect(topics).to.have.members(own);
    // Its own pattern for plain channels is its business; a name of the list must never have become one.
    const subscribed: string[] = [];
    const monitor = await new Monitor(world.redis.port, ({ name, args }) => {
      if (name.endsWith('SUBSCRIBE')) subscribed.push(...args.map(String));
    }).ready();
    // Of another user, so that there is something new to subscribe to.
    await world.allow('2', 'room:1', 'room:3', ...STRANGE);
    const other = await world.openOk({ path: '/?user=2' });
    for (const name of STRANGE) await client.publish(name, 'leaked');
    await client.publish('room:2', 'leaked');
    await world.publish.fcall('room:1', 'the end');
    for (const each of [stream, other]) {
      await each.frame(({ data }) => data === 'the end');
      expect(each.messages.map(({ data }) => data)).not.to.include('leaked');
    }
    monitor.close();
    for (const pattern of patterns) expect(subscribed, pattern).not.to.include(pattern);
    expect(subscribed).to.include('sisyphus{0}/room/3');
  });
});
