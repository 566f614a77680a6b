import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { FrameReader } from '../support/frames.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const OK = '<message><status>ok</status></message>';
const SENDS = 100;

/** What a stream was told but for noops. */
function told({ frames }: Pick<RawStream, 'frames'>): string[] {
  return frames.map(({ data = '' }) => data).filter((data) => data !== 'noop');
}

interface History {
  oldest: number | null;
  newest: number | null;
  reset: boolean;
  messages: { revision: number; data: string }[];
}

describe('a channel whose rule keeps one message', function () {
  this.timeout(60_000);
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_BACKLOG_RULES: 'sticker:*=1', SISYPHUS_MAX_BUFFER: '8MB' });
    await world.allow('7', 'sticker:1', 'sticker:2', 'room:1');
  });

  after(() => world.stop());
  afterEach(() => world.closeStreams());

  /** Sends so many messages, and answers the last of them when it is recorded. */
  async function send(way: 'plain' | 'fcall', channel: string, text: string): Promise<string> {
    for (let i = 1; i <= SENDS; i++) await world.publish[way](channel, `${text} ${i}`);
    const last = `${text} ${SENDS}`;
    await eventually(async () => {
      const { messages } = await history(channel);
      return messages.length === 1 && messages[0]!.data === last;
    });
    return last;
  }

  async function history(channel: string, query = ''): Promise<History> {
    const headers = { Authorization: `Bearer ${PUBLISH_SECRET}` };
    const response = await fetch(`${world.gateway.url}/channels/${channel}/messages?${query}`, { headers });
    return (await response.json()) as History;
  }

  async function now(): Promise<string> {
    const answer = await fetch(`${world.gateway.url}/position`);
    return ((await answer.json()) as { id: string }).id;
  }

  async function poll(path: string): Promise<RawStream['frames']> {
    const response = await fetch(`${world.gateway.url}${path}`);
    return new FrameReader().push(Buffer.from(await response.arrayBuffer()), 0);
  }

  it('gives every message to whoever reads along', async () => {
    const stream = await world.openOk({ path: '/?user=7' });
    for (let i = 1; i <= SENDS; i++) await world.publish.fcall('sticker:1', `along ${i}`);
    await stream.until(() => told(stream).length === SENDS + 1);
    expect(told(stream).slice(1)).to.deep.equal(Array.from({ length: SENDS }, (_, i) => `along ${i + 1}`));
  });

  it('gives the last of 100 sends to a client that was away, and tells it of no gap', async () => {
    const stream = await world.openOk({ path: '/?user=7' });
    await world.publish.fcall('sticker:1', 'before');
    await stream.until(() => told(stream).length === 2);
    const id = stream.lastEventId!;
    stream.close();
    const last = await send('plain', 'sticker:1', 'away');
    await world.publish.fcall('room:1', 'behind');
    for (const path of ['/?user=7', '/stream?user=7&c=sticker:1&c=room:1']) {
      const back = await world.openOk({ path, headers: { 'Last-Event-ID': id } });
      await back.until(() => told(back).includes('behind'));
      expect(told(back), path).to.deep.equal([OK, last, 'behind']);
    }
    const json = await world.openOk({ path: `/?user=7&since=${id}&format=json` });
    await json.until(() => told(json).length === 3);
    expect(told(json).map((data) => JSON.parse(data).data)).to.deep.equal([undefined, last, 'behind']);
    const polled = await poll(`/?user=7&poll&since=${id}`);
    expect(told({ frames: polled })).to.deep.equal([OK, last, 'behind']);
    const all = await world.openOk({ path: '/stream?user=7&c=sticker:1&since=0' });
    await all.until(() => told(all).length === 2);
    expect(told(all)).to.deep.equal([OK, last]);
  });

  it('gives the last of 100 sends to a stream that was stalled, and everything else, in the order of ids', async () => {
    const stream = await world.openOk({ path: '/?user=7' });
    stream.pause();
    const filling = 'x'.repeat(200_000);
    let filled = 0;
    const fill = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++, filled++) await world.publish.fcall('room:1', `${filling} ${filled}`);
    };
    // The kernel takes some of it for the reader; the process keeps the rest.
    await fill(50);
    const last = await send('fcall', 'sticker:1', 'stalled');
    await world.publish.fcall('room:1', 'between');
    const other = await send('plain', 'sticker:2', 'other');
    const end = await send('fcall', 'sticker:1', 'end');
    await world.publish.fcall('room:1', 'behind');
    stream.resume();
    await stream.until(() => told(stream).includes('behind'), 20_000);
    const rest = told(stream).filter((data) => data !== OK && !data.startsWith('xx'));
    expect(rest).to.deep.equal(['between', other, end, 'behind']);
    expect(rest).not.to.include(last);
    expect(told(stream).filter((data) => data.startsWith('xx'))).to.have.length(filled);
    const ids = stream.frames.map(({ id }) => Number(id));
    expect(ids).to.deep.equal(ids.toSorted((a, b) => a - b));
    // Whatever it came back with, it would get what it has not had.
    const back = await world.openOk({ path: `/?user=7&since=${stream.frames.find(({ data }) => data === other)!.id}` });
    await back.until(() => told(back).includes('behind'));
    expect(told(back)).to.deep.equal([OK, end, 'behind']);
  });

  it('gives a reader that stalls and breaks off everything else once, and values that only rise, up to the last', async () => {
    await world.allow('8', 'sticker:4', 'room:2');
    const body = 'x'.repeat(150_000);
    let position = await now();
    const [rooms, values]: [number[], number[]] = [[], []];
    const take = (stream: RawStream): void => {
      for (const frame of stream.frames.slice(1)) {
        const [, kind, number] = /^(room|value) (\d+) /.exec(frame.data ?? '') ?? [];
        if (kind) (kind === 'room' ? rooms : values).push(Number(number));
        expect(frame.event, frame.text.slice(0, 200)).to.equal(undefined);
      }
      position = stream.lastEventId!;
    };
    let sent = 0;
    for (let round = 0; round < 6; round++) {
      const stream = await world.openOk({ path: '/?user=8', headers: { 'Last-Event-ID': position } });
      // In every other round it has read a part of what waits for it when it breaks off.
      stream.pause();
      for (let i = 0; i < 12; i++, sent++) {
        await world.publish.fcall('room:2', `room ${sent} ${body}`);
        for (let k = 0; k < 3; k++) await world.publish.fcall('sticker:4', `value ${3 * sent + k} ${body}`);
      }
      stream.resume();
      const enough = round % 2 === 0 ? 3 : 12;
      await stream.until(({ messages }) => messages.length >= enough, 10_000);
      stream.cut();
      await stream.ended().catch(() => undefined);
      take(stream);
    }
    const last = await world.openOk({ path: '/?user=8', headers: { 'Last-Event-ID': position } });
    await world.publish.fcall('user:8', 'end');
    await last.until(({ messages }) => messages.at(-1)?.data === 'end', 10_000);
    take(last);
    expect(rooms).to.deep.equal(Array.from({ length: sent }, (_, i) => i));
    expect(values).to.deep.equal(values.toSorted((a, b) => a - b));
    expect(new Set(values).size).to.equal(values.length);
    expect(values.at(-1)).to.equal(3 * sent - 1);
    expect(values.length).to.be.below(3 * sent);
  });

  it('gives the last one when the gateway was cut off from Redis, and tells of no gap', async () => {
    const stream = await world.openOk({ path: '/?user=7' });
    const texts: string[] = [];
    for (let round = 0; round < 5; round++) {
      const multi = world.client.multi().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      for (let i = 0; i < SENDS; i++) {
        texts.push(`cut ${round} ${i}`);
        multi.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', 'sticker:1', texts.at(-1)!);
      }
      await multi.exec();
      await stream.until(() => told(stream).includes(texts.at(-1)!), 10_000);
    }
    expect(stream.frames.filter(({ event }) => event === 'reset')).to.deep.equal([]);
    const got = told(stream).slice(1);
    expect(got).to.deep.equal(texts.filter((text) => got.includes(text)));
    expect(got.length).to.be.below(texts.length);
    expect(world.gateway.logs.filter(({ event }) => event === 'message_unconfirmed')).to.deep.equal([]);
  });

  it('tells of a message that was not recorded, although a later one is kept', async () => {
    const id = await now();
    const backlog = 'sisyphus:{0}:channel:sticker:2:msg_backlog';
    const stream = await world.openOk({ path: '/?user=7&c=sticker:2' });
    await world.client.set(backlog, 'no stream');
    await world.publish.plain('sticker:2', 'lost');
    await stream.until(() => told(stream).length === 2);
    await world.client.del(backlog);
    await world.publish.fcall('sticker:2', 'newest');
    await stream.until(() => told(stream).length === 3);
    const back = await world.openOk({ path: `/?user=7&c=sticker:2&since=${id}` });
    await back.until(() => told(back).includes('newest'));
    for (const all of [told(stream), told(back)]) {
      expect(all).to.have.length(3);
      expect(all[1]).to.include('<reason>unrecorded</reason>');
    }
  });

  it('has a history of one message, whatever is asked for, also while it is replaced', async () => {
    const read = async (query: string) => {
      const { oldest, newest, reset, messages } = await history('sticker:3', query);
      return { oldest, newest, reset, revisions: messages.map(({ revision }) => revision) };
    };
    expect(await read('')).to.deep.equal({ oldest: null, newest: null, reset: false, revisions: [] });
    const { id: first } = await world.publish.fcall('sticker:3', '1');
    await world.publish.fcall('sticker:3', '2');
    const { id: last } = await world.publish.fcall('sticker:3', '3');
    const third = { oldest: 3, newest: 3, reset: false, revisions: [3] };
    const none = { ...third, revisions: [] };
    for (const query of [
      '',
      'after=0',
      'after=2',
      `since=${first}`,
      'since=0',
      'before=4',
      'limit=1',
      'before=9&after=1',
    ]) {
      expect(await read(query), query).to.deep.equal(third);
    }
    for (const query of ['after=3', `since=${last}`, 'before=3']) expect(await read(query), query).to.deep.equal(none);
    expect(await read('after=4')).to.deep.equal({ ...third, reset: true });
    let isSending = true;
    const sending = (async () => {
      for (let i = 4; isSending; i++) await world.publish.fcall('sticker:3', `${i}`);
    })();
    for (let i = 0; i < 200; i++) {
      const { newest, reset, revisions } = await read(['', 'after=1', `since=${first}`][i % 3]!);
      expect({ reset, revisions }).to.deep.equal({ reset: false, revisions: [newest] });
    }
    isSending = false;
    await sending;
  });

  it('is in a poll once, however often it was sent in one moment', async () => {
    const id = await now();
    const asked = poll(`/?user=7&poll&c=sticker:1&c=room:1&since=${id}`);
    await eventually(async () => (await world.gateway.status()).streams === 1);
    await wait(50);
    const multi = world.client.multi();
    for (const text of ['a', 'b', 'c']) {
      multi.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', 'sticker:1', text);
      multi.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', 'room:1', text.toUpperCase());
    }
    await multi.exec();
    expect(told({ frames: await asked })).to.deep.equal([OK, 'A', 'B', 'c', 'C']);
  });
});
