import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { EventSource } from 'eventsource';
import { type Frame, FrameReader } from '../support/frames.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const OK = '<message><status>ok</status></message>';

interface Poll {
  frames: Frame[];
  data: (string | undefined)[];
  /** The position that the client has after this response. */
  position: string;
  length: string | null;
}

describe('a stream as a poll', function () {
  this.timeout(60_000);
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_PUBLIC_CHANNELS: 'news:*', SISYPHUS_BACKLOG_LENGTH: '50' });
    await world.allow('7', 'room:1', 'room:2');
  });

  after(() => world.stop());

  async function poll(path: string, position?: string): Promise<Poll> {
    const headers: Record<string, string> = position === undefined ? {} : { 'Last-Event-ID': position };
    const response = await fetch(`${world.gateway.url}${path}`, { headers });
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.equal('text/event-stream');
    const body = Buffer.from(await response.arrayBuffer());
    const length = response.headers.get('content-length');
    expect(length).to.equal(`${body.length}`);
    const reader = new FrameReader();
    const frames = reader.push(body, 0);
    expect(reader.unfinished.length).to.equal(0);
    return { frames, data: frames.map(({ data }) => data), position: frames.at(-1)!.id!, length };
  }

  async function streams(): Promise<number> {
    return (await world.gateway.status()).streams;
  }

  /** Waits until polls follow so many channels. */
  async function following(count: number): Promise<void> {
    await eventually(async () => (await world.gateway.status()).subscriptions === count);
  }

  it('ends with the first messages, all of those that came in the same moment', async () => {
    const { id } = await world.publish.fcall('room:2', 'before');
    const asked = poll('/?user=7&poll', id);
    await following(3);
    const multi = world.client.multi();
    for (const text of ['a', 'b', 'c']) multi.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', 'room:1', text);
    await multi.exec();
    const { frames, data } = await asked;
    expect(data).to.deep.equal([OK, 'a', 'b', 'c']);
    expect(frames[0]!.retry).to.equal(100);
    await eventually(async () => (await streams()) === 0);
  });

  it('gives at once what was missed, and nothing twice', async () => {
    const { id } = await world.publish.fcall('room:1', '0');
    await world.publish.fcall('room:2', '1');
    await world.publish.plain('user:7', '2');
    await eventually(async () => (await poll('/?user=7&poll', id)).data.length === 3);
    const first = await poll('/?user=7&poll', id);
    expect(first.data).to.deep.equal([OK, '1', '2']);
    const next = poll('/?user=7&poll', first.position);
    await wait(50);
    await world.publish.fcall('room:1', '3');
    expect((await next).data).to.deep.equal([OK, '3']);
  });

  it('tells a gap, then what is kept; and a gap alone moves the position, so that it is told once', async () => {
    const { id } = await world.publish.fcall('room:1', '0');
    for (let i = 1; i <= 60; i++) await world.publish.fcall('room:1', `${i}`);
    const first = await poll('/?user=7&poll&c=room:1', id);
    expect(first.data[1]).to.include('trimmed');
    expect(first.data.length).to.equal(52);
    // The backlog is gone, so that there is nothing to send behind the reset.
    await world.client.del('sisyphus:{0}:channel:room:1:msg_backlog');
    const gap = await poll('/?user=7&poll&c=room:1', id);
    expect(gap.data.slice(1)).to.satisfy((rest: string[]) => rest.length >= 1 && rest[0]!.includes('reset'));
    const after = poll('/?user=7&poll&c=room:1', gap.position);
    await wait(300);
    await world.publish.fcall('room:1', 'new');
    expect((await after).data).to.deep.equal([OK, 'new']);
  });

  it('has the refusals, the rights and the denied channels of a stream', async () => {
    const refused = await poll('/?poll');
    expect(refused.data).to.deep.equal(['<message><status>failure</status></message>']);
    expect(refused.frames[0]!.comments).to.deep.equal(['missing']);
    expect(refused.frames[0]!.retry).to.be.within(30_000, 60_000);
    const { id } = await world.publish.fcall('room:2', 'before');
    const json = poll('/?user=7&c=room:1&c=room:9&poll&format=json', id);
    // The own channel is followed, although it is not named.
    await following(2);
    await world.publish.fcall('room:9', 'secret');
    await world.publish.fcall('room:1', '1');
    expect((await json).data.map((data) => JSON.parse(data!))).to.deep.include.members([
      { status: 'ok', noopInterval: 25_000 },
      { denied: { channel: 'room:9' } },
    ]);
  });

  it('has nothing of what is published behind a revocation, in the same moment or later', async () => {
    await world.allow('12', 'room:1', 'room:2');
    const { id } = await world.publish.fcall('room:2', 'before');
    const asked = poll('/?user=12&poll', id);
    await following(3);
    const multi = world.client.multi();
    const fcall = (name: string, ...args: string[]) => multi.call('FCALL', name, '1', 'sisyphus:{0}', ...args);
    fcall('sisyphus_publish', 'room:1', 'early');
    fcall('sisyphus_revoke', '12', 'room:1', 'revoked');
    fcall('sisyphus_publish', 'room:1', 'late');
    fcall('sisyphus_publish', 'room:2', 'other');
    await multi.exec();
    const got: (string | undefined)[] = [];
    let answer = await asked;
    for (; ; answer = await poll('/?user=12&poll', answer.position)) {
      got.push(...answer.data.slice(1));
      if (got.includes('other')) break;
    }
    expect(got).to.deep.equal(['early', 'revoked', 'other']);
    const next = poll('/?user=12&poll', answer.position);
    await following(2);
    await world.publish.fcall('room:1', 'later');
    await world.publish.fcall('room:2', 'end');
    expect((await next).data).to.deep.equal([OK, 'end']);
  });

  it('is answered at once if it brings no position, which it has from then on', async () => {
    const { data, position } = await poll('/?user=7&poll');
    expect(data).to.deep.equal([OK]);
    await world.publish.fcall('room:1', 'between two polls');
    expect((await poll('/?user=7&poll', position)).data).to.deep.equal([OK, 'between two polls']);
  });

  it('works for a native EventSource as it is: nothing is lost, and nothing comes twice', async () => {
    const got: string[] = [];
    const source = new EventSource(`${world.gateway.url}/?c=news:1&poll`);
    await new Promise((resolve) => source.addEventListener('message', resolve, { once: true }));
    source.onmessage = ({ data }) => {
      if (/^n\d+$/.test(data)) got.push(data);
    };
    const sent: string[] = [];
    for (let i = 0; i < 100; i++) {
      sent.push(`n${i}`);
      const way = i % 3 === 0 ? world.publish.plain : world.publish.fcall;
      await way('news:1', `n${i}`);
      await wait(i % 7);
    }
    await eventually(() => got.length >= sent.length, 15_000);
    source.close();
    expect(got.toSorted()).to.deep.equal(sent.toSorted());
    await eventually(async () => (await streams()) === 0);
  });
});
