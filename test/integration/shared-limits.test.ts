import { expect } from 'chai';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { exchange, type RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const MOST = 20;
const OF_ADDRESS = 8;
const BAD = 8;
const PUBLISHES = 20;

/** `ok`, or the limit that has refused the stream. */
async function outcome(stream: RawStream): Promise<string> {
  await eventually(() => stream.frames.length > 0);
  const { data = '', comments } = stream.frames[0]!;
  return data.includes('ok') ? 'ok' : (comments[1] ?? data);
}

describe('the limits of several workers', function () {
  this.timeout(60_000);
  let world: World;
  let users = 0;

  before(async () => {
    world = await startWorld({
      SISYPHUS_WORKERS: '2',
      SISYPHUS_DRAIN: '300ms',
      SISYPHUS_MAX_STREAMS: String(MOST),
      SISYPHUS_MAX_STREAMS_PER_USER: '2',
      SISYPHUS_MAX_STREAMS_PER_ADDRESS: String(OF_ADDRESS),
      SISYPHUS_MAX_FAILURES: String(BAD),
      SISYPHUS_MAX_PUBLISHES: String(PUBLISHES),
      SISYPHUS_TRUSTED_PROXIES: '127.0.0.1',
    });
    await allServe();
  });

  after(() => world.stop());

  afterEach(async () => {
    world.closeStreams();
    await eventually(async () => (await open()) === 0);
  });

  async function open(): Promise<number> {
    return Number((await world.gateway.status()).streams);
  }

  function allServe(): Promise<unknown> {
    return eventually(async () => {
      const workers = (await world.gateway.status()).workers as { answered: boolean; pid: number }[];
      return workers.length === 2 && workers.every(({ answered }) => answered) && workers;
    }, 15_000);
  }

  /** So many streams at once, each of a user of its own and, unless one is given, from an address of its own. */
  async function crowd(count: number, address?: string): Promise<Map<string, RawStream[]>> {
    const streams = Array.from({ length: count }, () => {
      const user = ++users;
      const from = address ?? `203.0.${Math.floor(user / 250)}.${user % 250}`;
      return world.open({ path: `/?user=${user}`, headers: { 'X-Forwarded-For': from } });
    });
    const found = new Map<string, RawStream[]>();
    for (const stream of streams) {
      const word = await outcome(stream);
      found.set(word, [...(found.get(word) ?? []), stream]);
    }
    return found;
  }

  async function counts(crowding: Promise<Map<string, RawStream[]>>): Promise<Record<string, number>> {
    return Object.fromEntries([...(await crowding)].map(([word, streams]) => [word, streams.length]));
  }

  it('let there be as many streams of all workers together, exactly, also after some were refused for their user', async () => {
    const ofOne = Array.from({ length: 8 }, (_, i) =>
      world.open({ path: '/?user=many', headers: { 'X-Forwarded-For': `198.51.100.${i}` } }),
    );
    const words = await Promise.all(ofOne.map(outcome));
    expect(words.filter((word) => word === 'SISYPHUS_MAX_STREAMS_PER_USER')).to.have.length(6);
    const found = await crowd(2 * MOST);
    expect(found.get('ok')).to.have.length(MOST - 2);
    expect(found.get('SISYPHUS_MAX_STREAMS')).to.have.length(MOST + 2);
    expect(await open()).to.equal(MOST);
    for (const stream of found.get('ok')!.slice(0, 5)) stream.close();
    await eventually(async () => (await open()) === MOST - 5);
    expect(await counts(crowd(10))).to.deep.equal({ ok: 5, SISYPHUS_MAX_STREAMS: 5 });
  });

  it('let there be as many streams of one address, exactly, and none of that is lost', async () => {
    for (let round = 0; round < 3; round++) {
      const expected = { ok: OF_ADDRESS, SISYPHUS_MAX_STREAMS_PER_ADDRESS: 4 };
      expect(await counts(crowd(OF_ADDRESS + 4, '192.0.2.7'))).to.deep.equal(expected);
      world.closeStreams();
      await eventually(async () => (await open()) === 0);
    }
  });

  it('have room again when a worker dies, and not before', async () => {
    expect((await crowd(MOST)).get('ok')).to.have.length(MOST);
    const [first] = (await allServe()) as { pid: number }[];
    process.kill(first!.pid, 'SIGKILL');
    await world.gateway.waitForLog(({ event }) => event === 'worker_died');
    await allServe();
    const left = await open();
    expect(left).to.be.within(1, MOST - 1);
    expect(await counts(crowd(MOST))).to.deep.equal({ ok: MOST - left, SISYPHUS_MAX_STREAMS: left });
  });

  it('count no stream twice while workers are replaced', async () => {
    const opened = (await crowd(MOST)).get('ok')!;
    expect(opened).to.have.length(MOST);
    process.kill(world.gateway.pid, 'SIGUSR2');
    let isReplaced = false;
    const replaced = world.gateway
      .waitForLog(({ event }) => event === 'workers_replaced', 30_000)
      .then(() => {
        isReplaced = true;
      });
    while (!isReplaced) {
      opened.push(...((await crowd(3)).get('ok') ?? []));
      // The workers do not count at the same moment, so their sum may be more for a moment.
      expect(opened.filter(({ closed }) => !closed)).to.have.length.at.most(MOST);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await replaced;
    const left = await open();
    expect((await crowd(MOST)).get('ok') ?? []).to.have.length(MOST - left);
  });

  it('stop the guesses of an address at all workers', async () => {
    const headers = { 'X-Forwarded-For': '192.0.2.99' };
    for (let i = 0; i < BAD; i++) expect(await outcome(world.open({ path: '/?user=a:b', headers }))).not.to.equal('ok');
    // Whether the limit is reached the workers hear a moment later.
    await eventually(async () => {
      const words = [1, 2, 3, 4].map((user) => outcome(world.open({ path: `/?user=${user}`, headers })));
      return (await Promise.all(words)).every((word) => word === 'SISYPHUS_MAX_FAILURES');
    });
  });

  it('let one secret publish so many times a second, whichever worker is asked', async () => {
    const post = async (): Promise<number> => {
      const headers = {
        Authorization: `Bearer ${PUBLISH_SECRET}`,
        'Content-Type': 'application/json',
        Connection: 'close',
      };
      const body = JSON.stringify({ channel: 'room:1', data: 'x' });
      const { port } = world.gateway;
      return (await exchange({ port, method: 'POST', path: '/publish', headers, body })).status ?? 0;
    };
    // If it takes longer than a second, a second period has begun.
    const accepted = await eventually(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1050));
      const began = performance.now();
      const statuses = await Promise.all(Array.from({ length: 2 * PUBLISHES }, post));
      const taken = performance.now() - began;
      return taken < 900 && statuses.filter((status) => status === 200).length;
    }, 20_000);
    expect(accepted).to.be.within(PUBLISHES - 2, PUBLISHES);
  });
});
