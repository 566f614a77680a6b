import { expect } from 'chai';
import fc from 'fast-check';
import type { Frame } from '../support/frames.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { startWorld, type World } from '../support/world.ts';

const LENGTH = 5;

function resetsOf(frames: Frame[]): string[] {
  return frames
    .filter(({ event }) => event === 'reset')
    .map(({ data }) => {
      const [, channel, reason] = /<channel>(.*)<\/channel><reason>(.*)<\/reason>/.exec(data ?? '') ?? [];
      return `${channel} ${reason}`;
    });
}

describe('a gap is announced, and nothing else is', function () {
  this.timeout(60_000);
  let world: World;
  let users = 0;

  before(async () => {
    world = await startWorld({ SISYPHUS_BACKLOG_LENGTH: String(LENGTH), SISYPHUS_BACKLOG_TTL: '2s' });
  });

  after(() => world.stop());
  afterEach(() => world.closeStreams());

  async function newUser(...rooms: string[]): Promise<{ user: string; rooms: string[] }> {
    const user = `reset-${users++}`;
    const own = rooms.map((room) => `${room}-${user}`);
    if (own.length > 0) await world.allow(user, ...own);
    return { user, rooms: own };
  }

  async function back(user: string, position: string): Promise<RawStream> {
    const stream = await world.openOk({ path: `/?user=${user}`, headers: { 'Last-Event-ID': position } });
    // What comes with the replay comes before anything published from now on.
    const mark = `mark-${Math.random()}`;
    await world.publish.fcall(`user:${user}`, mark);
    await stream.until(({ messages }) => messages.some(({ data }) => data === mark));
    return stream;
  }

  function texts(stream: RawStream): (string | undefined)[] {
    return stream.messages
      .filter(({ event, data }) => event !== 'reset' && !data?.startsWith('mark-'))
      .map(({ data }) => data);
  }

  async function position(user: string): Promise<string> {
    const stream = await world.openOk({ path: `/?user=${user}` });
    stream.close();
    return stream.lastEventId!;
  }

  it('trimmed: as much as is kept follows', async () => {
    const { user, rooms } = await newUser('room:a', 'room:b');
    const from = await position(user);
    for (let i = 0; i < LENGTH + 2; i++) await world.publish.fcall(rooms[0]!, `a${i}`);
    await world.publish.fcall(rooms[1]!, 'b');
    const stream = await back(user, from);
    expect(resetsOf(stream.frames)).to.deep.equal([`${rooms[0]} trimmed`]);
    expect(texts(stream)).to.deep.equal(['a2', 'a3', 'a4', 'a5', 'a6', 'b']);
    const firstReset = stream.frames.findIndex(({ event }) => event === 'reset');
    expect(firstReset).to.equal(1, 'before anything else of the channel');
    expect(stream.frames[1]!.id).to.equal(from, 'a control frame does not move the position');
  });

  it('not trimmed: exactly as many as are kept', async () => {
    const { user, rooms } = await newUser('room:a');
    await world.publish.fcall(rooms[0]!, 'long ago');
    const from = await position(user);
    for (let i = 0; i < LENGTH; i++) await world.publish.fcall(rooms[0]!, `a${i}`);
    const stream = await back(user, from);
    expect(resetsOf(stream.frames)).to.deep.equal([]);
    expect(texts(stream)).to.have.length(LENGTH);
  });

  it('expired: what is older than the limit is not replayed', async () => {
    const { user, rooms } = await newUser('room:a', 'room:b');
    const from = await position(user);
    await world.publish.fcall(rooms[0]!, 'old');
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await world.publish.fcall(rooms[0]!, 'young');
    const stream = await back(user, from);
    expect(resetsOf(stream.frames)).to.deep.equal([`${rooms[0]} expired`]);
    expect(texts(stream)).to.deep.equal(['young']);
  });

  it('expired and nothing after it: told once, also to who comes back again', async () => {
    const { user, rooms } = await newUser('room:a');
    const from = await position(user);
    await world.publish.fcall(rooms[0]!, 'old');
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const stream = await world.openOk({ path: `/?user=${user}`, headers: { 'Last-Event-ID': from } });
    await stream.until(({ frames }) => frames.length === 2);
    expect(resetsOf(stream.frames)).to.deep.equal([`${rooms[0]} expired`]);
    const again = await back(user, stream.lastEventId!);
    expect(resetsOf(again.frames)).to.deep.equal([]);
  });

  it('a backlog that somebody deleted', async () => {
    const { user, rooms } = await newUser('room:a');
    const from = await position(user);
    await world.publish.fcall(rooms[0]!, 'gone');
    await world.client.del(`sisyphus:{0}:channel:${rooms[0]}:msg_backlog`);
    // Not while the hub remembers it: then nothing is missed.
    const stream = await back(user, from);
    expect(resetsOf(stream.frames).length + texts(stream).length).to.equal(1);
  });

  for (const [name, id, reason] of [
    ['from the future', '9000000000000000', 'future'],
    ['that is garbage', 'abc-def', 'unreadable'],
    ['with a sign', '-5', 'unreadable'],
    ['of 10 kB', '1'.repeat(10_000), 'unreadable'],
    ['of another life', '5', 'flushed'],
  ] as const) {
    it(`an id ${name}: every channel is reset, then what is kept`, async () => {
      const { user, rooms } = await newUser('room:a', 'room:b');
      await world.publish.fcall(rooms[0]!, 'kept');
      const stream = await back(user, id);
      expect(resetsOf(stream.frames).sort()).to.deep.equal(
        [`user:${user}`, ...rooms].map((c) => `${c} ${reason}`).sort(),
      );
      expect(texts(stream)).to.deep.equal(['kept']);
      const ids = stream.frames.map((frame) => Number(frame.id));
      expect(ids).to.deep.equal([...ids].sort((a, b) => a - b));
    });
  }

  it('the header wins over ?lastEventId=, that over ?since=, that over ?overlap=', async () => {
    const { user, rooms } = await newUser('room:a');
    const positions: string[] = [];
    for (let i = 0; i < 4; i++) positions.push((await world.publish.fcall(rooms[0]!, `m${i}`)).id!);
    const read = async (path: string, headers: Record<string, string> = {}): Promise<(string | undefined)[]> => {
      const stream = await world.openOk({ path: `/?user=${user}${path}`, headers });
      const mark = `mark-${Math.random()}`;
      await world.publish.fcall(`user:${user}`, mark);
      await stream.until(({ messages }) => messages.some(({ data }) => data === mark));
      return texts(stream);
    };
    const all = `&lastEventId=${positions[1]}&since=${positions[0]}&overlap=4`;
    expect(await read(all, { 'Last-Event-ID': positions[2]! })).to.deep.equal(['m3']);
    expect(await read(all)).to.deep.equal(['m2', 'm3']);
    expect(await read(`&since=${positions[0]}&overlap=4`)).to.deep.equal(['m1', 'm2', 'm3']);
    expect(await read('&overlap=2')).to.deep.equal(['m2', 'm3']);
    expect(await read('&since=0')).to.deep.equal(['m0', 'm1', 'm2', 'm3']);
    expect(await read('')).to.deep.equal([]);
  });

  it('received, or covered by a reset; no reset where nothing was missed (any history, any drop)', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('publish' as const), room: fc.nat(2) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), room: fc.nat(2) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop' as const), room: fc.nat(2) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('return' as const), room: fc.nat(2) }) },
    );
    const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const { user, rooms } = await newUser('room:a', 'room:b', 'room:c');
      let stream: RawStream | undefined = await world.openOk({ path: `/?user=${user}` });
      let last = stream.lastEventId!;
      const published: { room: string; text: string; revision: number }[] = [];
      const got: string[] = [];
      const covered = new Set<string>();
      const leave = (): void => {
        if (!stream) return;
        stream.close();
        got.push(...texts(stream).map(String));
        for (const reset of resetsOf(stream.frames)) {
          const room = reset.split(' ')[0]!;
          const before = published.filter((message) => message.room === room);
          const missing = before.some(({ text }) => !got.includes(text) && !covered.has(text));
          expect(missing, `a reset of ${room} where nothing was missed`).to.equal(true);
          for (const { text } of before) covered.add(text);
        }
        last = stream.lastEventId!;
        stream = undefined;
      };
      for (const { kind, room } of steps) {
        if (kind === 'publish') {
          const text = `${user}-${published.length}`;
          const { revision } = await world.publish.fcall(rooms[room]!, text);
          published.push({ room: rooms[room]!, text, revision: revision! });
        } else if (kind === 'trim') {
          await world.client.xtrim(`sisyphus:{0}:channel:${rooms[room]}:msg_backlog`, 'MAXLEN', 1);
        } else if (kind === 'drop') {
          leave();
        } else if (!stream) {
          stream = await back(user, last);
        }
      }
      leave();
      stream = await back(user, last);
      leave();
      for (const { text } of published) {
        expect(got.includes(text) || covered.has(text), `${text} neither received nor covered`).to.equal(true);
      }
      expect(new Set(got).size).to.equal(got.length, 'nothing twice');
    });
    await fc.assert(property, { numRuns: 60 });
  });
});

describe('a Redis that loses its memory', function () {
  this.timeout(30_000);

  it('FLUSHALL: what is published at once in a channel that never had a message comes behind its reset', async () => {
    const world = await startWorld();
    const rooms = ['room:1', 'room:2', 'room:3', 'room:4', 'room:5'];
    try {
      await world.allow('1', ...rooms);
      const stream = await world.openOk({ path: '/?user=1&format=json' });
      for (const room of rooms) {
        // In the first moment of the new life, before anybody else has looked.
        const anew = world.client
          .multi()
          .flushall()
          .sadd('user:1:channels', ...rooms);
        await anew.call('FCALL', 'sisyphus_publish', '0', room, `the first of ${room}`).exec();
        const isFirst = ({ data = '' }): boolean => data.includes(`the first of ${room}`);
        await stream.until(({ frames }) => frames.some(isFirst));
        const resets = stream.frames
          .slice(0, stream.frames.findIndex(isFirst))
          .filter(({ event }) => event === 'reset');
        const own = resets.filter(({ data }) => JSON.parse(data!).reset.channel === room);
        expect(own, room).to.have.length(rooms.indexOf(room) + 1);
      }
    } finally {
      await world.stop();
    }
  });

  it('FLUSHALL while a client is away: its channels are reset, also those that were granted again since', async () => {
    const world = await startWorld();
    try {
      const granted = (channel: string) =>
        world.client.call('FCALL', 'sisyphus_grant', 1, 'sisyphus:{0}', '1', channel);
      await granted('room:1');
      await world.allow('1', 'room:2');
      const watcher = await world.openOk({ path: '/?user=2' });
      const stream = await world.openOk({ path: '/?user=1' });
      await world.publish.fcall('room:1', 'read');
      await stream.until(({ messages }) => messages.length === 1);
      stream.close();
      await world.publish.fcall('room:1', 'lost');
      await world.client.flushall();
      await watcher.until(({ frames }) => resetsOf(frames).length === 1);
      await granted('room:1');
      await world.allow('1', 'room:2');
      await world.publish.fcall('room:1', 'anew');
      const headers = { 'Last-Event-ID': stream.lastEventId! };
      const again = await world.openOk({ path: '/?user=1', headers });
      await again.until(({ frames }) => frames.some(({ data }) => data === 'anew'));
      expect(resetsOf(again.frames).sort()).to.deep.equal(['room:1 flushed', 'room:2 flushed', 'user:1 flushed']);
    } finally {
      await world.stop();
    }
  });

  it('FLUSHALL: the channels followed are reset within 2 s, and revisions start again', async () => {
    const world = await startWorld();
    try {
      await world.allow('1', 'room:1', 'room:2');
      const stream = await world.openOk({ path: '/?user=1&format=json' });
      await world.publish.fcall('room:1', 'one');
      await stream.until(({ messages }) => messages.length === 1);
      const flushed = world.stopwatch();
      await world.client.flushall();
      await stream.until(({ frames }) => frames.filter(({ event }) => event === 'reset').length >= 3);
      expect(flushed.elapsed).to.be.lessThan(2000);
      const resets = stream.frames.filter(({ event }) => event === 'reset').map(({ data }) => JSON.parse(data!));
      expect(resets.map(({ reset }) => reset.channel).sort()).to.deep.equal(['room:1', 'room:2', 'user:1']);
      expect(new Set(resets.map(({ reset }) => reset.reason))).to.deep.equal(new Set(['flushed']));
      const { counters } = await world.gateway.status();
      expect(counters).to.have.property('resets').that.deep.equals({ flushed: 3 });
      const before = stream.messages.length;
      const { revision } = await world.publish.fcall('user:1', 'anew');
      expect(revision).to.equal(1);
      await stream.until(({ messages }) => messages.length > before);
      expect(stream.messages.at(-1)!.data).to.contain('"revision":1');
    } finally {
      await world.stop();
    }
  });
});
