import { expect } from 'chai';
import fc from 'fast-check';
import { CLIENTS } from '../support/event-source-clients.ts';
import { anyBytes, anyText, decodedBy, NOT_UTF8, TEXTS } from '../support/payloads.ts';
import { postPublish, WAYS } from '../support/publisher.ts';
import { Reader, roundTrip } from '../support/round-trip.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

describe('payloads, as client libraries decode them', function () {
  this.timeout(60_000);
  let world: World;
  let readers: Reader[];

  before(async () => {
    world = await startWorld({ SISYPHUS_NOOP_INTERVAL: '10m' });
    await world.allow('1', 'room:1');
    const url = `${world.gateway.url}/?user=1`;
    const clients = await Promise.all(Object.values(CLIENTS).map((open) => open(url, ['reset', 'named'])));
    readers = clients.map((client) => new Reader(client));
    for (const reader of readers) {
      await eventually(async () => (await reader.client.read()).length === 1);
      await reader.upTo('<message><status>ok</status></message>');
    }
  });

  after(async () => {
    await Promise.all(readers.map(({ client }) => client.close()));
    await world?.stop();
  });

  for (const way of WAYS) {
    it(`are what was published by ${way}: every plane, line ends, what looks like a frame, 256 kB`, async () => {
      await roundTrip(readers, world.publish[way], 'room:1', TEXTS);
    });

    it(`are what was published by ${way}, whatever the characters`, async () => {
      const property = fc.asyncProperty(fc.array(anyText, { maxLength: 12 }), async (texts) => {
        const payloads = texts.map((data) => ({ what: 'random text', data }));
        await roundTrip(readers, world.publish[way], 'room:1', payloads);
      });
      await fc.assert(property, { numRuns: 40, interruptAfterTimeLimit: 20_000 });
    });
  }

  for (const way of ['plain', 'fcall'] as const) {
    it(`are valid UTF-8 whatever the bytes published by ${way}`, async () => {
      await roundTrip(readers, world.publish[way], 'room:1', NOT_UTF8);
      const property = fc.asyncProperty(fc.array(anyBytes, { maxLength: 12 }), async (all) => {
        const payloads = all.map((data) => ({ what: `bytes ${data.toString('hex')}`, data }));
        await roundTrip(readers, world.publish[way], 'room:1', payloads);
      });
      await fc.assert(property, { numRuns: 40, interruptAfterTimeLimit: 20_000 });
    });
  }

  it('are what was published in a batch, as a JSON array and as NDJSON', async () => {
    const payloads = TEXTS.filter(({ data }) => data.length < 30_000);
    const items = payloads.map(({ data }) => JSON.stringify({ channel: 'room:1', data }));
    for (const [type, body] of [
      ['application/json', `[${items.join(',')}]`],
      ['application/x-ndjson', items.join('\n')],
    ] as const) {
      await roundTrip(readers, publishBatch(type, body), 'room:1', payloads);
    }
  });

  /** Sends the whole batch in place of the first message, and the mark as it is. */
  function publishBatch(type: string, body: string) {
    let sent = false;
    return async (channel: string, data: string | Buffer) => {
      const isMark = String(data).startsWith('mark ');
      if (isMark) return world.publish.http(channel, data);
      if (!sent) expect((await postPublish(world.gateway.url, body, { type })).status).to.equal(200);
      sent = true;
      return { id: undefined, revision: undefined };
    };
  }

  it('of XML batches are the inner XML, verbatim', async () => {
    const inner = [
      'text &amp; more',
      '<a b="c" d=\'e\'>&#233; é &lt;<f/></a><!-- g --><![CDATA[h < i]]>',
      '\n  <indented>\n    text\n  </indented>\n',
      '',
    ];
    const messages = inner.map((xml) => `<message channel="room:1">${xml}</message>`).join('\n');
    const payloads = inner.map((data) => ({ what: data, data }));
    await roundTrip(readers, publishBatch('application/xml', `<messages>${messages}</messages>`), 'room:1', payloads);
  });

  it('have the name that their publisher gave them, and none otherwise', async () => {
    await world.publish.fcall('room:1', 'by fcall', 'named');
    await world.publish.http('room:1', 'by http', 'named');
    await world.publish.fcall('room:1', 'the end');
    for (const reader of readers) {
      const received = await reader.upTo('the end');
      expect(received.map(({ event, data }) => [event, data])).to.deep.equal([
        ['named', 'by fcall'],
        ['named', 'by http'],
      ]);
    }
  });
});

describe('the raw stream', () => {
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_NOOP_INTERVAL: '10m' });
    await world.allow('1', 'room:1');
  });

  after(() => world?.stop());

  it('puts data lines before the id, the name before both, and nothing else', async () => {
    const stream = await world.openOk();
    await world.publish.fcall('room:1', 'a\nb', 'named');
    await world.publish.fcall('room:1', '');
    await world.publish.fcall('room:1', '  x\r\n');
    await stream.until(({ messages }) => messages.length === 3);
    const [named, empty, spaced] = stream.messages;
    expect(named?.text).to.equal(`event: named\ndata: a\ndata: b\nid: ${named?.id}`);
    expect(empty?.text).to.match(/^data: ?\nid: \d{16}$/);
    expect(spaced?.text).to.match(/^data: {3}x\ndata: ?\nid: \d{16}$/);
  });

  it('carries 256,000 line ends, a frame larger than what may wait for a reader, and goes on', async () => {
    const stream = await world.openOk();
    const position = stream.lastEventId!;
    await world.publish.fcall('room:1', '\n'.repeat(256_000));
    await world.publish.fcall('room:1', 'and on');
    await stream.frame(({ data }) => data === 'and on', 10_000);
    const replayed = await world.openOk({ headers: { 'Last-Event-ID': position } });
    await replayed.frame(({ data }) => data === 'and on', 10_000);
    for (const { messages } of [stream, replayed]) {
      expect(messages.map(({ data }) => data!.length)).to.deep.equal([256_000, 6]);
    }
  });

  it('carries every payload byte for byte but for its line ends, as the strict reader sees it', async () => {
    const stream = await world.openOk();
    for (const { data } of [...TEXTS, ...NOT_UTF8]) await world.publish.fcall('room:1', data);
    const expected = [...TEXTS, ...NOT_UTF8].map(({ data }) => decodedBy(data));
    // One of them reads like a status: all but the first frame count.
    await stream.until(({ frames }) => frames.length === expected.length + 1, 10_000);
    const received = stream.frames.slice(1).map(({ data }) => data ?? 'no data');
    expect(received.findIndex((data, index) => data !== expected[index])).to.equal(-1);
  });
});
