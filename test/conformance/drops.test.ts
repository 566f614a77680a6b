import { expect } from 'chai';
import { channelNames, compareRecords, DroppedClient, publishSteadily, SECONDS } from '../support/drops.ts';
import { CLIENTS, type OpenClient, parserClient } from '../support/event-source-clients.ts';
import type { Frame } from '../support/frames.ts';
import { isOk, openStream, type RawStream } from '../support/raw-stream.ts';
import { type Link, type Relay, startRelay } from '../support/relay.ts';
import { startWorld, type World } from '../support/world.ts';

/**
 * The libraries come back when they are told to, after 3 to 5 s. Those that come back at once are served from the
 * gateway's memory; those that come back a little later, and often, from the backlog.
 */
const READERS: [name: string, open: OpenClient, most: number][] = [
  ...Object.entries(CLIENTS).map(([name, open]): [string, OpenClient, number] => [name, open, 800_000]),
  ['a client that comes back at once', parserClient(20), 100_000],
  ...[1, 2, 3].map((i): [string, OpenClient, number] => [`patient client ${i}`, parserClient(1_500), 400_000]),
];

describe('a stream that breaks', function () {
  this.timeout((SECONDS + 60) * 1_000);
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_BACKLOG_LENGTH: '100000' }, { redisDelayMs: 15 });
    await world.allow('1', ...channelNames());
  });

  after(() => world?.stop());
  afterEach(() => world.closeStreams());

  it(`at random bytes, under 200 messages a second for ${SECONDS} s: what each client library has is what was published`, async () => {
    const path = '/?user=1';
    const opening = READERS.map(([name, open, most]) =>
      DroppedClient.open(name, open, world.gateway.port, path, { most }),
    );
    const clients = await Promise.all(opening);
    try {
      const sent = await publishSteadily(world);
      const outcomes = await Promise.allSettled(
        clients.map(async (client) => {
          compareRecords(client.name, await client.settle(sent.length, 25_000), sent);
          expect(client.cuts, `${client.name}: cuts`).to.be.greaterThan(0);
        }),
      );
      const problems = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : []));
      if (problems.length > 0) throw new Error(problems.join('\n'));
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  });
});

describe('a stream that breaks between any two bytes', function () {
  this.timeout(120_000);
  let world: World;
  let relay: Relay;
  let link: Link;
  let cutAt = Number.POSITIVE_INFINITY;

  before(async () => {
    world = await startWorld();
    await world.allow('1', 'room:1', 'room:2');
    const onLink = (opened: Link): void => {
      link = opened;
      link.down.cutAfter(cutAt);
    };
    relay = await startRelay({ targetPort: world.gateway.port, onLink });
  });

  after(async () => {
    await relay?.stop();
    await world?.stop();
  });

  /** A connection that breaks after so many bytes, and what came whole. */
  async function readUntilCut(position: string, bytes: number): Promise<readonly Frame[]> {
    cutAt = bytes;
    const stream = openStream({ port: relay.port, headers: { 'Last-Event-ID': position } });
    await stream.ended();
    return stream.frames;
  }

  async function readRest(position: string, last: string): Promise<RawStream> {
    cutAt = Number.POSITIVE_INFINITY;
    const stream = openStream({ port: relay.port, headers: { 'Last-Event-ID': position } });
    await stream.frame(({ data }) => data === last);
    stream.close();
    return stream;
  }

  it('goes on with the next message, wherever it broke while it was replayed', async () => {
    const position = (await world.openOk()).lastEventId!;
    const published = ['one', 'two\nlines', '', '<message>four</message>', 'the last'];
    for (const [index, text] of published.entries()) await world.publish.fcall(`room:${(index % 2) + 1}`, text);
    await readRest(position, 'the last');
    const total = link.down.passed;
    for (let bytes = 1; bytes < total; bytes++) {
      const first = await readUntilCut(position, bytes);
      // As the standard says: the position is that of the last frame that came whole.
      const rest = await readRest(first.at(-1)?.id ?? position, 'the last').catch((error: Error) => {
        throw new Error(`cut after ${bytes} of ${total} bytes: ${error.message}`);
      });
      const record = [...first, ...rest.frames].filter((frame) => !isOk(frame)).map(({ data }) => data);
      expect(record, `cut after ${bytes} of ${total} bytes`).to.deep.equal(published);
    }
  });
});
