import { expect } from 'chai';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { startWorld, type World } from '../support/world.ts';

interface Answer {
  channel: string;
  oldest: number | null;
  newest: number | null;
  reset: boolean;
  messages: { id: string; revision: number; event?: string; data: unknown }[];
}

describe('the history of a channel', function () {
  this.timeout(15_000);
  let world: World;
  const ids: string[] = [];

  before(async () => {
    world = await startWorld({ SISYPHUS_PUBLIC_CHANNELS: 'news:*', SISYPHUS_BACKLOG_LENGTH: '10' });
    await world.allow('7', 'room:1');
    for (let i = 1; i <= 15; i++) ids.push((await world.publish.fcall('room:1', `{"n":${i}}`)).id!);
  });

  after(() => world.stop());

  const secret = { Authorization: `Bearer ${PUBLISH_SECRET}` };

  function ask(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${world.gateway.url}/channels/${path}`, { headers });
  }

  async function read(query: string, channel = 'room:1'): Promise<Answer> {
    const response = await ask(`${channel}/messages?user=7${query}`);
    expect(response.status, query).to.equal(200);
    return (await response.json()) as Answer;
  }

  const numbers = ({ messages }: Answer): number[] => messages.map(({ revision }) => revision);

  it('has the last messages, as values, with what is kept at all', async () => {
    const answer = await read('&limit=3');
    expect(answer).to.deep.include({ channel: 'room:1', newest: 15, reset: false });
    expect(answer.oldest).to.be.within(1, 6);
    expect(answer.messages.at(-1)).to.deep.equal({ id: ids[14], revision: 15, data: { n: 15 } });
    expect(numbers(answer)).to.deep.equal([13, 14, 15]);
    await world.publish.fcall('user:7', '<a>1</a>');
    const own = await read('', 'user:7');
    expect(own.messages.map(({ data }) => data)).to.deep.equal([{ a: '1' }]);
    expect(await read('', 'user:7')).to.deep.equal(own);
  });

  it('is read in pages, forward and backward, by revision or id', async () => {
    expect(numbers(await read('&after=10&limit=2'))).to.deep.equal([11, 12]);
    expect(numbers(await read('&after=12&limit=2'))).to.deep.equal([13, 14]);
    expect(numbers(await read('&after=15'))).to.deep.equal([]);
    expect(numbers(await read('&before=13&limit=2'))).to.deep.equal([11, 12]);
    expect(numbers(await read('&before=1000&limit=1'))).to.deep.equal([15]);
    expect(numbers(await read('&after=10&before=13'))).to.deep.equal([11, 12]);
    expect(numbers(await read(`&since=${ids[11]}`))).to.deep.equal([13, 14, 15]);
    expect(numbers(await read(`&since=${ids[11]}&limit=1`))).to.deep.equal([13]);
  });

  it('says when something that was asked for is gone, or when the counter has begun anew', async () => {
    const { oldest } = await read('');
    const gone = await read('&after=0');
    expect([gone.reset, numbers(gone)[0]]).to.deep.equal([true, oldest]);
    expect((await read(`&since=${ids[0]}`)).reset).to.equal(true);
    const ahead = await read('&after=100');
    expect([ahead.reset, numbers(ahead).at(-1)]).to.deep.equal([true, 15]);
    expect(await read('', 'user:7')).to.include({ reset: false });
    const empty = await (await ask('news:0/messages')).json();
    expect(empty).to.deep.equal({ channel: 'news:0', oldest: null, newest: null, reset: false, messages: [] });
  });

  it('is for those who may read the channel, and for publishers', async () => {
    await world.publish.fcall('news:1', 'hello');
    const cases: [string, Record<string, string>, number][] = [
      ['room:1/messages?user=8', {}, 403],
      ['room:1/messages', {}, 401],
      ['room:1/messages?user=', {}, 401],
      ['news:1/messages', {}, 200],
      ['news:1/messages?user=8', {}, 200],
      ['user:7/messages?user=8', {}, 403],
      ['user:7/messages', {}, 401],
      ['user:7/messages', secret, 200],
      ['room:1/messages', secret, 200],
      ['room:1/messages', { Authorization: 'Bearer wrong' }, 401],
      ['room:*/messages', secret, 400],
      ['sisyphus:x/messages', secret, 400],
      ['room:1/messages?limit=1001', secret, 400],
      ['room:1/messages?limit=-1', secret, 400],
      ['room:1/messages?after=x', secret, 400],
      ['room:1/messages?after=1&after=2', secret, 400],
      ['room:1/messages?since=x', secret, 400],
      [`room:1/messages?since=${ids[0]}&after=1`, secret, 400],
    ];
    for (const [path, headers, status] of cases) {
      const response = await ask(path, headers);
      expect(response.status, path).to.equal(status);
      if (status !== 200) expect(await response.json()).to.have.keys('error', 'message');
    }
  });

  it('leaves out what was published before the user had the right', async () => {
    await world.publish.fcall('room:2', 'before');
    await world.openOk({ path: '/?user=9' });
    await world.client.call('FCALL', 'sisyphus_grant', '1', 'sisyphus:{0}', '9', 'room:2');
    await world.publish.fcall('room:2', 'after');
    const answer = (await (await ask('room:2/messages?user=9')).json()) as Answer;
    expect(answer.messages.map(({ data }) => data)).to.deep.equal(['after']);
  });

  it('has nothing that follows a revocation, even if the list was read before it', async () => {
    const call = (name: string, ...args: string[]): Promise<unknown> =>
      world.client.call('FCALL', `sisyphus_${name}`, '1', 'sisyphus:{0}', ...args);
    let answered = 0;
    for (let i = 0; i < 40; i++) {
      await call('grant', '11', 'room:4');
      const asked = Array.from({ length: 4 }, () => ask('room:4/messages?user=11').then((answer) => answer.text()));
      // The pauses grow, because on a busy machine nothing is answered within a few milliseconds.
      await new Promise((resolve) => setTimeout(resolve, (i % 8) * 2 ** Math.floor(i / 8)));
      await Promise.all([call('revoke', '11', 'room:4'), call('publish', 'room:4', `later ${i}`)]);
      for (const text of await Promise.all(asked)) {
        expect(text).not.to.include(`later ${i}"`);
        if (text.startsWith('{"channel"')) answered++;
      }
    }
    expect(answered).to.be.above(0);
  });

  it('is as long as a stream may be behind, and goes on from there', async () => {
    await world.allow('12', 'room:5');
    for (let i = 1; i <= 8; i++) await world.publish.fcall('room:5', `${i}`.repeat(200_000));
    const page = async (query: string): Promise<number[]> =>
      numbers((await (await ask(`room:5/messages?user=12${query}`)).json()) as Answer);
    expect(await page('')).to.deep.equal([4, 5, 6, 7, 8]);
    expect(await page('&before=4')).to.deep.equal([1, 2, 3]);
    expect(await page('&after=0')).to.deep.equal([1, 2, 3, 4, 5]);
    expect(await page('&after=5')).to.deep.equal([6, 7, 8]);
    expect(await page('&since=1')).to.deep.equal([1, 2, 3, 4, 5]);
  });

  it('is not sent again if it has not changed', async () => {
    const first = await ask('room:1/messages', secret);
    const etag = first.headers.get('etag')!;
    expect([etag, first.headers.get('cache-control')]).to.deep.equal([etag, 'no-cache']);
    const same = await ask('room:1/messages', { ...secret, 'If-None-Match': etag });
    expect([same.status, await same.text()]).to.deep.equal([304, '']);
    expect((await ask('room:1/messages', { ...secret, 'If-None-Match': '*' })).status).to.equal(304);
    await world.publish.fcall('room:1', '{"n":16}');
    expect((await ask('room:1/messages', { ...secret, 'If-None-Match': etag })).status).to.equal(200);
  });

  it('joins a page and its stream without a hole, by the position', async () => {
    const { id } = (await (await fetch(`${world.gateway.url}/position`)).json()) as { id: string };
    await world.publish.fcall('room:1', 'a');
    const fromRedis = String(await world.client.call('FCALL', 'sisyphus_position', '1', 'sisyphus:{0}'));
    await world.publish.fcall('room:1', 'b');
    const texts = async (since: string): Promise<(string | undefined)[]> => {
      const stream = await world.openOk({ path: `/?user=7&since=${since}` });
      await stream.frame(({ data }) => data === 'b');
      return stream.messages.map(({ data }) => data);
    };
    expect(await texts(id)).to.deep.equal(['a', 'b']);
    expect(await texts(fromRedis)).to.deep.equal(['b']);
  });
});
