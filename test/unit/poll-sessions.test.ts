import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import { encodeReset, encodeStatus } from '../../src/connection/encode.ts';
import { InOrder } from '../../src/http/in-order.ts';
import { textsFrom, textsOf } from '../../src/http/text-messages.ts';
import type { Position } from '../../src/message/position.ts';
import { dataOf } from '../../src/poll/frame-collector.ts';
import type { Letter } from '../../src/poll/inbox.ts';
import { signatureOf } from '../../src/poll/inbox-request.ts';
import { LetterQueues } from '../../src/poll/letter-queues.ts';
import { createSessionName, isCarrying, isSessionName } from '../../src/poll/session-name.ts';

describe('the name of a poll session', () => {
  it('has 128 random bits, and says whether the session carries a stream', () => {
    const names = Array.from({ length: 1000 }, (_, i) => createSessionName(i % 2 === 0));
    expect(new Set(names).size).to.equal(1000);
    for (const [i, name] of names.entries()) {
      expect(name).to.match(/^[a-z0-9-]{32,34}$/);
      expect(isSessionName(name)).to.equal(true);
      expect(isCarrying(name)).to.equal(i % 2 === 0);
    }
  });

  it('is nothing else', () => {
    for (const text of [
      '',
      'x',
      'null',
      'F'.repeat(32),
      'f'.repeat(33),
      `${'f'.repeat(32)}:queue`,
      'u-',
      `u-${'g'.repeat(32)}`,
    ])
      expect(isSessionName(text), text).to.equal(false);
  });
});

describe('the texts in a body', () => {
  it('of a browser are an array of strings', () => {
    expect(textsOf(Buffer.from('["a","b\\n"]'))).to.deep.equal(['a', 'b\n']);
    expect(textsOf(Buffer.from('[]'))).to.deep.equal([]);
    for (const body of ['', '{}', '["a",1]', '[["a"]]', '"a"', 'null'])
      expect(() => textsOf(Buffer.from(body)), body).to.throw(/expected \["a text","another one"\]/);
    expect(() => textsOf(Buffer.from(JSON.stringify(Array(1001).fill('a'))))).to.throw('expected several requests');
    expect(() => textsOf(Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]))).to.throw('expected UTF-8');
  });

  it('of the application are an array of strings, a string, or any text as it is', () => {
    const cases: [string, string[]][] = [
      ['["a","b"]', ['a', 'b']],
      ['"a"', ['a']],
      ['plain', ['plain']],
      ['{"a":1}', ['{"a":1}']],
      ['[1,2]', ['[1,2]']],
      ['"broken', ['"broken']],
      ['', []],
    ];
    for (const [body, texts] of cases) expect(textsFrom(Buffer.from(body)), body).to.deep.equal(texts);
  });
});

describe('the data of a frame', () => {
  it('is what an EventSource gives to a page', () => {
    expect(dataOf(encodeStatus('ok', 5 as Position, 100, 'raw', { notes: ['data: a note'] }))).to.equal(
      '<message><status>ok</status></message>',
    );
    expect(dataOf(encodeReset('room:1', 'trimmed', 5 as Position, 'json'))).to.equal(
      '{"reset":{"channel":"room:1","reason":"trimmed"}}',
    );
    expect(dataOf(Buffer.from('event: data: x\ndata: one\ndata: \ndata: data: two\nid: 5\n\n'))).to.equal(
      'one\n\ndata: two',
    );
  });
});

describe('the signature of a forwarded message', () => {
  it('is over the time and the body', () => {
    const code = createHmac('sha256', 'secret').update('1700000000.{"a":"ü"}').digest('hex');
    expect(signatureOf('{"a":"ü"}', 'secret', 1_700_000_000)).to.equal(`t=1700000000,v1=${code}`);
  });
});

describe('the queues of letters', () => {
  it('handle those of one session one after the other, and at most 32 sessions at a time', async () => {
    const under = new Set<string>();
    const handled = new Map<string, number[]>();
    let most = 0;
    const queues = new LetterQueues(async ({ session, data }) => {
      expect(under.has(session)).to.equal(false);
      under.add(session);
      most = Math.max(most, under.size);
      await new Promise((resolve) => setImmediate(resolve));
      handled.set(session, [...(handled.get(session) ?? []), Number(data)]);
      under.delete(session);
    });
    for (let i = 0; i < 10; i++)
      for (let s = 0; s < 50; s++) for (let twice = 0; twice < 2; twice++) queues.add(letter(`s${s}`, `${i}`));
    expect(queues.held).to.equal(500);
    while (queues.held > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(most).to.equal(32);
    expect(handled.size).to.equal(50);
    for (const order of handled.values()) expect(order).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe('requests in order', () => {
  it('go on one after the other by name, and do not wait for one that hangs', async () => {
    const order: string[] = [];
    const inOrder = new InOrder(50);
    const run = async (name: string, what: string, ms: number): Promise<void> => {
      const { turn, done } = inOrder.enter(name);
      await new Promise((resolve) => setTimeout(resolve, ms));
      await turn();
      order.push(what);
      done();
    };
    await Promise.all([run('a', 'a1', 20), run('a', 'a2', 0), run('b', 'b1', 0), run('a', 'a3', 0)]);
    expect(order).to.deep.equal(['b1', 'a1', 'a2', 'a3']);
    inOrder.enter('a');
    await run('a', 'a4', 0);
    expect(order.at(-1)).to.equal('a4');
  });
});

function letter(session: string, data: string): Letter {
  return { entry: `${session}-${data}`, id: 'a', time: 0, session, user: '', data, tries: 1, isCounted: true };
}
