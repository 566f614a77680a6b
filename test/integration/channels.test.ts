import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const OK = '<message><status>ok</status></message>';
const FAILURE = '<message><status>failure</status></message>';

/** What a stream was told but for noops: the payload of a message, or the text of a control frame. */
function told(stream: RawStream): string[] {
  return stream.frames.map(({ data = '' }) => data).filter((data) => data !== 'noop');
}

async function refusal(stream: RawStream): Promise<(string | undefined)[]> {
  await stream.ended();
  const [first] = stream.frames;
  return [first!.data, ...first!.comments];
}

describe('a stream of channels that the request names', function () {
  this.timeout(30_000);
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_PUBLIC_CHANNELS: 'news:*,*:public,u*' });
    await world.allow('7', 'room:1', 'room:2', 'room:3');
    await world.allow('8', 'room:1', 'user:7');
  });

  after(() => world.stop());
  afterEach(() => world.closeStreams());

  it('has the named ones of the list, and nothing of the others, not even the user’s own', async () => {
    const stream = await world.openOk({ path: '/stream?user=7&c=room:1&c=room:2' });
    await world.publish.fcall('room:3', 'three');
    await world.publish.fcall('user:7', 'own');
    await world.publish.fcall('room:1', 'one');
    await world.publish.plain('room:2', 'two');
    await eventually(() => told(stream).length === 3);
    expect(told(stream)).to.deep.equal([OK, 'one', 'two']);
    const own = await world.openOk({ path: '/?user=7&c=user:7' });
    await world.publish.fcall('room:1', 'one');
    await world.publish.fcall('user:7', 'own');
    await eventually(() => told(own).length === 2);
    expect(told(own)).to.deep.equal([OK, 'own']);
  });

  it('has public channels for everybody, and those of a user for nobody else, whatever the patterns say', async () => {
    const nobody = await world.openOk({ path: '/?c=news:1' });
    const user = await world.openOk({ path: '/?user=9&c=news:1&c=user:9' });
    await world.publish.fcall('news:1', 'hello');
    await world.publish.fcall('news:2', 'other');
    await world.publish.plain('user:9', 'own');
    await eventually(() => told(nobody).length === 2 && told(user).length === 3);
    expect(told(nobody)).to.deep.equal([OK, 'hello']);
    expect(told(user)).to.deep.equal([OK, 'hello', 'own']);
    for (const path of ['/?c=user:7', '/?c=user:7:channels', '/?c=user:public', '/?user=9&c=user:7', '/?c=room:1']) {
      expect(await refusal(world.open({ path })), path).to.deep.equal([FAILURE, 'refused']);
    }
    expect(await refusal(world.open({ path: '/?user=&c=news:1' }))).to.deep.equal([FAILURE, 'malformed']);
    expect(await refusal(world.open({ path: '/' }))).to.deep.equal([FAILURE, 'missing']);
  });

  it('says once, behind ok, which ones may not be read, and reads the others', async () => {
    const raw = await world.openOk({ path: '/?user=8&c=room:1&c=room:2&c=room:3' });
    const json = await world.openOk({ path: '/?user=8&c=room:2&c=news:1&format=json' });
    await world.publish.fcall('room:2', 'two');
    await world.publish.fcall('room:1', '{"n":1}');
    await world.publish.fcall('news:1', '{"n":2}');
    await eventually(() => raw.frames.length === 4 && json.frames.length === 3);
    expect(raw.frames.map(({ event, data }) => [event, data])).to.deep.equal([
      [undefined, OK],
      ['denied', '<message><denied><channel>room:2</channel></denied></message>'],
      ['denied', '<message><denied><channel>room:3</channel></denied></message>'],
      [undefined, '{"n":1}'],
    ]);
    expect(json.frames[1]).to.include({ event: 'denied', data: '{"denied":{"channel":"room:2"}}' });
    expect(raw.frames[1]!.id).to.equal(raw.frames[0]!.id);
  });

  it('changes with the rights while it is open', async () => {
    await world.allow('10', 'room:a');
    const stream = await world.openOk({ path: '/?user=10&c=room:a&c=room:b' });
    const change = (kind: string, channel: string) =>
      world.client.call('FCALL', `sisyphus_${kind}`, '1', 'sisyphus:{0}', '10', channel, kind);
    await world.publish.fcall('room:b', 'too early');
    await change('grant', 'room:b');
    await change('grant', 'room:c');
    await world.publish.fcall('room:b', 'b 1');
    await world.publish.fcall('room:c', 'never');
    await eventually(() => told(stream).length >= 3);
    await change('revoke', 'room:a');
    await world.publish.fcall('room:a', 'too late');
    await world.publish.fcall('room:b', 'b 2');
    await eventually(() => told(stream).at(-1) === 'b 2');
    await wait(50);
    expect(told(stream).slice(2)).to.deep.equal(['b 1', 'b 2']);
    // A plain change of the list, told by a plain message that the stream does not get.
    await world.client.srem('user:10:channels', 'room:b');
    await world.publish.plain('user:10', 'changed');
    await world.publish.plain('room:b', 'too late');
    await world.client.sadd('user:10:channels', 'room:a');
    await world.publish.plain('user:10', 'changed');
    await world.publish.plain('room:a', 'a 1');
    await eventually(() => told(stream).at(-1) === 'a 1');
    expect(told(stream).slice(2)).to.deep.equal(['b 1', 'b 2', 'a 1']);
  });

  it('shows in a replay, too, what the user might see at the place of each message, and nothing of what is revoked now', async () => {
    await world.allow('11', 'room:d');
    const { id } = await world.publish.fcall('user:11', 'begin');
    const change = (kind: string, channel: string) =>
      world.client.call('FCALL', `sisyphus_${kind}`, '1', 'sisyphus:{0}', '11', channel, kind);
    const back = async (names: string, mark: string): Promise<string[]> => {
      await world.publish.fcall('user:11', mark);
      const path = `/stream?user=11&c=user:11${names}`;
      const [stream, answer] = await Promise.all([
        world.openOk({ path, headers: { 'Last-Event-ID': id! } }),
        fetch(`${world.gateway.url}${path}&poll`, { headers: { 'Last-Event-ID': id! } }).then((poll) => poll.text()),
      ]);
      await stream.until(() => told(stream).at(-1) === mark);
      const seen = told(stream).filter((data) => !/^(grant|revoke)$/.test(data));
      const polled = [...answer.matchAll(/^data: (.*)$/gm)].map(([, data]) => data!);
      expect(polled.filter((data) => !/^(grant|revoke)$/.test(data))).to.deep.equal(seen);
      return seen.filter((data) => data !== OK && !data.startsWith('mark'));
    };
    await world.publish.fcall('room:d', 'd 1');
    await world.publish.fcall('room:e', 'e 1');
    await change('revoke', 'room:d');
    await world.publish.fcall('room:d', 'd 2');
    await change('grant', 'room:e');
    await world.publish.fcall('room:e', 'e 2');
    const denied = '<message><denied><channel>room:d</channel></denied></message>';
    expect(await back('&c=room:d&c=room:e', 'mark 1')).to.deep.equal([denied, 'e 2']);
    await change('grant', 'room:d');
    await world.publish.fcall('room:d', 'd 3');
    expect(await back('&c=room:d&c=room:e', 'mark 2')).to.deep.equal(['d 1', 'e 2', 'd 3']);
    expect(await back('&c=room:e', 'mark 3')).to.deep.equal(['e 2']);
  });

  it('is no gap for what it leaves out: a client changes what it names, and comes back with its position', async () => {
    const first = await world.openOk({ path: '/?user=7&c=room:1' });
    await world.publish.fcall('room:1', 'a');
    await eventually(() => told(first).length === 2);
    const id = first.frames[1]!.id!;
    first.close();
    await world.publish.fcall('room:2', 'b');
    await world.publish.fcall('room:1', 'c');
    await world.publish.fcall('room:3', 'd');
    await world.publish.fcall('user:7', 'own');
    const headers = { 'Last-Event-ID': id! };
    const other = await world.openOk({ path: '/?user=7&c=room:2&c=room:1', headers });
    await eventually(() => told(other).length === 3);
    const all = await world.openOk({ path: '/?user=7', headers });
    await eventually(() => told(all).length === 5);
    expect(told(other)).to.deep.equal([OK, 'b', 'c']);
    expect(told(all)).to.deep.equal([OK, 'b', 'c', 'd', 'own']);
    const nobody = await world.openOk({ path: `/?c=news:5&since=${id}` });
    await world.publish.fcall('news:5', 'e');
    await eventually(() => told(nobody).length === 2);
    expect(told(nobody)).to.deep.equal([OK, 'e']);
  });

  it('may be changed again and again while messages come: nothing is lost or doubled, and nothing costs that is left out', async () => {
    const rooms = ['room:1', 'room:2', 'room:3'];
    const sent: { channel: string; text: string; id: number }[] = [];
    const send = async (): Promise<void> => {
      for (let i = 0; i < 30; i++) {
        const [channel, text] = [rooms[i % 3]!, `live ${sent.length}`];
        sent.push({ channel, text, id: Number((await world.publish.fcall(channel, text)).id) });
      }
    };
    let position = Number((await world.publish.fcall('room:1', 'first')).id);
    for (let round = 0; round < 20; round++) {
      const named = rooms.filter((_, i) => ((round % 7) + 1) & (1 << i));
      const path = `/stream?user=7&${named.map((room) => `c=${room}`).join('&')}`;
      const sending = send();
      const stream = await world.openOk({ path, headers: { 'Last-Event-ID': `${position}` } });
      // Beside those that are named, the channel of the user is heard, because it tells of rights.
      await eventually(async () => (await world.gateway.status()).channels === named.length + 1);
      await stream.until(({ messages }) => messages.length >= 10);
      stream.close();
      await sending;
      const from = position;
      position = Number(stream.lastEventId);
      const owed = sent.filter(({ channel, id }) => named.includes(channel) && id > from && id <= position);
      expect(stream.messages.map(({ data }) => data)).to.deep.equal(owed.map(({ text }) => text));
    }
  });

  it('replays public channels to nobody, and says a gap of them', async () => {
    const path = '/?c=news:9';
    const { id } = await world.publish.fcall('news:9', '0');
    for (let i = 1; i <= 120; i++) await world.publish.fcall('news:9', `${i}`);
    const stream = await world.openOk({ path, headers: { 'Last-Event-ID': id! } });
    await eventually(() => told(stream).length === 102);
    expect(told(stream)[1]).to.include('<reason>trimmed</reason>');
    expect(told(stream).at(-1)).to.equal('120');
  });

  it('is told of names that are no channels, and refused if there are only such', async () => {
    const stream = await world.openOk({ path: '/?user=7&c=room:1&c=room:*' });
    expect(stream.frames[0]!.comments).to.deep.equal(['c=room...: expected the name of a channel, such as room:918']);
    for (const path of ['/?user=7&c=', '/?c=*', '/?c=<x>', '/?user=7&c=sisyphus:x']) {
      expect((await refusal(world.open({ path }))).slice(0, 2), path).to.deep.equal([FAILURE, 'malformed']);
    }
  });

  it('may be asked for in a body, which has room for thousands of channels', async () => {
    const post = (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${world.gateway.url}/stream?user=7&poll`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
    const { id } = await world.publish.fcall('room:1', 'before');
    await world.publish.fcall('room:2', 'other');
    await world.publish.fcall('room:1', '1');
    const many = Array.from({ length: 5000 }, (_, i) => `news:${i}`);
    const response = await post({ channels: [...many, 'room:1'], since: id, format: 'json' });
    expect(response.headers.get('content-type')).to.equal('text/event-stream');
    const text = await response.text();
    expect(text).to.include('"channel":"room:1"').and.not.include('room:2');
    for (const [body, code] of [
      ['{', 'bad_json'],
      [[], 'bad_request'],
      [{ channels: 'room:1' }, 'bad_request'],
      [{ channels: [] }, 'bad_request'],
      [{ channels: [7] }, 'bad_request'],
      [{ chanels: [] }, 'bad_request'],
      [{ format: true }, 'bad_request'],
    ] as const) {
      const refused = await post(body);
      expect([refused.status, ((await refused.json()) as { error: string }).error]).to.deep.equal([400, code]);
    }
    expect((await post({ channels: [] }, { 'Content-Type': 'text/plain' })).status).to.equal(415);
  });

  it('leaves no reader behind in the gateway', async () => {
    world.closeStreams();
    await eventually(async () => (await world.gateway.status()).streams === 0);
    const { users, channels, subscriptions } = await world.gateway.status();
    expect({ users, channels, subscriptions }).to.deep.equal({ users: 0, channels: 0, subscriptions: 0 });
  });
});
