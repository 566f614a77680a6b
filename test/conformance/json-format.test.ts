import { expect } from 'chai';
import fc from 'fast-check';
import { anyBytes, anyText, NOT_UTF8, TEXTS, textOf } from '../support/payloads.ts';
import { PUBLISH_SECRET, postPublish, type Receipt } from '../support/publisher.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { startWorld, type World } from '../support/world.ts';

interface Wrapped {
  channel: string;
  revision: number;
  id: string;
  data: unknown;
}

describe('format=json', function () {
  this.timeout(60_000);
  let world: World;
  let stream: RawStream;
  let read = 0;

  before(async () => {
    world = await startWorld({ SISYPHUS_NOOP_INTERVAL: '10m' });
    await world.allow('1', 'room:1');
    stream = await world.openOk({ path: '/?user=1&format=json' });
    read = 1;
  });

  after(() => world?.stop());

  /** Publishes these and answers the `data` that came for each. */
  async function through(payloads: readonly (string | Buffer)[]): Promise<unknown[]> {
    const published: Receipt[] = [];
    for (const data of payloads) published.push(await world.publish.fcall('room:1', data));
    await stream.until(({ frames }) => frames.length >= read + payloads.length, 10_000);
    const frames = stream.frames.slice(read);
    read = stream.frames.length;
    return frames.map((frame, index) => {
      const { channel, revision, id, data, ...rest } = JSON.parse(frame.data!) as Wrapped;
      const receipt = published[index]!;
      expect({ channel, revision, id }).to.deep.equal({ channel: 'room:1', ...receipt });
      expect(frame.id).to.equal(id);
      expect(rest).to.deep.equal({});
      return data;
    });
  }

  /** The value where the text is JSON, `undefined` where it is not. */
  function parsed(text: string): { value: unknown } | undefined {
    try {
      return { value: JSON.parse(text) };
    } catch {
      return undefined;
    }
  }

  it('says ok in JSON', () => {
    expect(stream.frames[0]!.data).to.match(/^\{"status":"ok","noopInterval":\d+\}$/);
    expect(stream.frames[0]!.fields).to.deep.equal(['id', 'data', 'retry']);
  });

  it('has the trace of the request that published the message, live and in the messages that are kept', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const own = await startWorld({ SISYPHUS_NOOP_INTERVAL: '10m' });
    try {
      await own.allow('1', 'room:1');
      const [json, raw] = [await own.openOk({ path: '/?user=1&format=json' }), await own.openOk({ path: '/?user=1' })];
      const send = (data: string, headers: Record<string, string>): Promise<Response> =>
        postPublish(own.gateway.url, JSON.stringify({ channel: 'room:1', data }), { headers });
      expect((await send('traced', { traceparent })).status).to.equal(200);
      expect((await send('broken', { traceparent: `${traceparent}-x` })).status).to.equal(200);
      expect((await send('plain', {})).status).to.equal(200);
      await json.frame(({ data }) => data!.includes('plain'));
      await raw.frame(({ data }) => data === 'plain');
      const wrapped = json.frames.slice(1).map(({ data }) => JSON.parse(data!) as { traceparent?: string });
      expect(wrapped.map((message) => message.traceparent)).to.deep.equal([traceparent, undefined, undefined]);
      expect(wrapped.slice(1).every((message) => !('traceparent' in message))).to.equal(true);
      expect(raw.frames[1]!.fields).to.deep.equal(['data', 'id']);
      const secret = { Authorization: `Bearer ${PUBLISH_SECRET}` };
      const answer = await fetch(`${own.gateway.url}/channels/room:1/messages`, { headers: secret });
      const { messages } = (await answer.json()) as { messages: { traceparent?: string }[] };
      expect(messages.map((message) => message.traceparent)).to.deep.equal([traceparent, undefined, undefined]);
    } finally {
      await own.stop();
    }
  });

  it('says noop in JSON', async () => {
    const quick = await startWorld({ SISYPHUS_NOOP_INTERVAL: '1s' });
    try {
      const waiting = await quick.openOk({ path: '/?user=1&format=json' });
      const noop = await waiting.frame(({ data }) => data === '{"noop":true}');
      expect(noop.fields).to.deep.equal(['id', 'data']);
    } finally {
      await quick.stop();
    }
  });

  it('says reset in JSON, under its own name', async () => {
    await world.publish.fcall('room:1', 'one');
    const late = await world.openOk({
      path: '/?user=1&format=json',
      headers: { 'Last-Event-ID': 'no position of ours' },
    });
    const reset = await late.frame(({ event, data }) => event === 'reset' && data!.includes('room:1'));
    expect(JSON.parse(reset.data!)).to.deep.equal({ reset: { channel: 'room:1', reason: 'unreadable' } });
    read = stream.frames.length;
    await stream.frame(({ data }) => data!.includes('"one"'));
    read = stream.frames.length;
  });

  it('carries JSON as the value it is', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.jsonValue({ stringUnit: 'binary' }), { maxLength: 10 }),
      async (values) => {
        const texts = values.map((value, index) => JSON.stringify(value, null, index % 3));
        const received = await through(texts);
        // By way of text, where -0 is 0 and __proto__ is a name like any other.
        expect(JSON.stringify(received)).to.equal(JSON.stringify(texts.map((text) => JSON.parse(text) as unknown)));
      },
    );
    await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 20_000 });
  });

  it('carries JSON of every shape', async () => {
    const texts = ['null', 'true', '0', '-1.5e3', '""', '"a\\nb"', '[]', '{}', ' { "a" : [ 1 ] } ', '"\\ud800"'];
    texts.push('{"__proto__":{"a":1},"constructor":{"prototype":1}}', '12345678901234567890', '{"a":1,"a":2}');
    const received = await through(texts);
    expect(JSON.stringify(received)).to.equal(JSON.stringify(texts.map((text) => JSON.parse(text) as unknown)));
  });

  it('carries text as it was published, its line ends too', async () => {
    const texts = [
      'a\rb\r\nc\nd',
      '',
      ' ',
      'plain',
      '{broken',
      '[1,',
      '12 rooms',
      "{'a':1}",
      'NaN',
      'undefined',
      '\ufeff{}',
    ];
    texts.push('\0', '\u2028', '"', '\\', '007', '+1', '<not closed', 'a < b', '<a></b>', '<>', '&amp;', '</a>');
    expect(await through(texts)).to.deep.equal(texts);
  });

  it('carries every text of the raw format that is neither JSON nor XML', async () => {
    const payloads = [...TEXTS, ...NOT_UTF8].map(({ data }) => data).filter((data) => !textOf(data).includes('<'));
    const received = await through(payloads);
    const expected = payloads.map((data) => parsed(textOf(data))?.value ?? textOf(data));
    expect(received.findIndex((data, index) => data !== expected[index])).to.equal(-1);
  });

  it('carries anything', async () => {
    const anything = fc.oneof(anyText, anyBytes).filter((data) => !textOf(data).includes('<'));
    const property = fc.asyncProperty(fc.array(anything, { maxLength: 15 }), async (payloads) => {
      const expected = payloads.map((data) => parsed(textOf(data)) ?? { value: textOf(data) });
      expect(await through(payloads)).to.deep.equal(expected.map(({ value }) => value));
    });
    await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 20_000 });
  });

  it('carries XML as an object, its texts untouched', async () => {
    const [plain, numbers, nested] = (await through([
      '<message><text>hello &amp; more</text></message>',
      '<message><a>007</a><b>1e3</b><c>true</c><d> x </d></message>',
      '<message><item>1</item><item>2</item></message>',
    ])) as { message: Record<string, unknown> }[];
    expect(plain).to.deep.equal({ message: { text: 'hello & more' } });
    expect(numbers!.message).to.include({ a: '007', b: '1e3', c: 'true' });
    expect(nested!.message.item).to.deep.equal(['1', '2']);
  });

  it('never builds an object from hostile XML, and carries it as text', async () => {
    const hostile = [
      '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
      `${'<a>'.repeat(5_000)}${'</a>'.repeat(5_000)}`,
      `<a>${'&#1;'.repeat(60_000)}</a>`,
      `<a ${Array.from({ length: 20_000 }, (_, i) => `a${i}=""`).join(' ')}/>`,
    ];
    const began = performance.now();
    const received = await through(hostile);
    expect(performance.now() - began).to.be.lessThan(2_000);
    for (const index of [0, 1]) expect(received[index]).to.equal(hostile[index]);
  });
});
