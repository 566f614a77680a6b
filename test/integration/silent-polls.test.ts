import { expect } from 'chai';
import { FrameReader } from '../support/frames.ts';
import { askRt, type RtAnswer } from '../support/rt.ts';
import { begin, pollOnce } from '../support/sock-it.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

/** What comes, and after how long (ms). */
type Timed<Answer> = Promise<{ answer: Answer; after: number }>;

async function timed<Answer>(asked: Promise<Answer>): Timed<Answer> {
  const began = performance.now();
  const answer = await asked;
  return { answer, after: performance.now() - began };
}

/** Each poll takes its 25 s, so they are asked together. */
describe('polls for which nothing comes', function () {
  this.timeout(60_000);
  let world: World;
  let stream: Timed<Response>;
  let long: Timed<RtAnswer[]>;
  let session: string;
  let ofSession: Timed<string[]>;

  before(async () => {
    world = await startWorld({ SISYPHUS_PROTOCOLS: 'rt,sock.it', SISYPHUS_PUBLIC_CHANNELS: 'news:*' });
    const { url } = world.gateway;
    session = await begin(url);
    const { id } = (await (await fetch(`${url}/position`)).json()) as { id: string };
    stream = timed(fetch(`${url}/?user=8&poll&since=${id}`));
    long = timed(Promise.all([askRt(url, 'c=news:silent&m=0'), askRt(url, 'c=news:silent&c=room:9')]));
    ofSession = timed(pollOnce(url, session));
    await eventually(async () => (await world.gateway.status()).streams === 3);
  });

  after(() => world.stop());

  it('a stream as a poll ends with a noop after 25 s, whatever the interval of noops', async () => {
    const { answer, after } = await stream;
    expect(after).to.be.within(24_500, 30_000);
    const frames = new FrameReader().push(Buffer.from(await answer.arrayBuffer()), 0);
    expect(frames.map(({ data }) => data)).to.deep.equal(['<message><status>ok</status></message>', 'noop']);
    expect(BigInt(frames[1]!.id!) >= BigInt(frames[0]!.id!)).to.equal(true);
  });

  it('a long poll is answered by {} after 25 s, and names the channels that may not be read', async () => {
    const { answer, after } = await long;
    expect(after).to.be.within(24_500, 30_000);
    expect(answer).to.deep.equal([{}, { 'room:9': { status: 'failure', msg: [] } }]);
  });

  it('a poll of a session is answered by an empty array after 24 s, and has kept the session', async () => {
    const { answer, after } = await ofSession;
    expect(after).to.be.within(23_900, 30_000);
    expect(answer).to.deep.equal([]);
    expect(await world.client.pttl(`sisyphus:{0}:poll:${session}`)).to.be.within(37_000, 60_000);
  });
});
