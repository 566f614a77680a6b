import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { type RtOutcome, RtResponse, type RtRules } from '../../src/connection/rt-response.ts';
import { Delivery } from '../../src/message/delivery.ts';
import type { Message } from '../../src/message/message.ts';
import type { Position } from '../../src/message/position.ts';
import { aMessage } from '../support/messages.ts';

const NOW = 9 as Position;

describe('the response to a long poll by revisions', () => {
  let outcomes: RtOutcome[];
  let reasons: string[];

  beforeEach(() => {
    outcomes = [];
    reasons = [];
  });

  function poll(seen: Record<string, number>, rules: Partial<RtRules> = {}) {
    const response = new RtResponse(new Map(Object.entries(seen)), {
      noopInterval: 15_000,
      maxBuffer: 1000,
      timer: { begin: () => () => undefined },
      isFinal: (channel) => channel.startsWith('sticker:'),
      isBehindGap: () => false,
      ...rules,
    });
    response.onEnd = (outcome) => outcomes.push(outcome);
    response.onClose = (reason) => reasons.push(reason);
    response.onDue = () => response.noop(NOW);
    return response;
  }

  function message(channel: string, revision: number, text = `${revision}`, fields: Partial<Message> = {}): Delivery {
    return new Delivery(aMessage({ channel, revision, payload: Buffer.from(text), ...fields }));
  }

  /** The answer as `room:1 ok {"id":1,"payload":1}`, a channel a line. */
  function answer(): string[] {
    expect(outcomes).to.have.length(1);
    const [outcome] = outcomes;
    if (!outcome || !('news' in outcome)) throw new Error(JSON.stringify(outcome));
    return [...outcome.news].map(([channel, { status, items }]) => [channel, status, ...items].join(' '));
  }

  it('gathers what was missed until all of it has been read, and what comes in the turn of the first message', async () => {
    const replayed = poll({ 'room:1': 1 });
    replayed.open();
    replayed.message(message('room:1', 2));
    await turn();
    await turn();
    expect(outcomes).to.deep.equal([]);
    replayed.message(message('room:2', 1, '"text"'));
    replayed.replayed();
    expect(answer()).to.deep.equal(['room:1 ok {"id":2,"payload":2}', 'room:2 ok {"id":1,"payload":"text"}']);
    outcomes = [];
    const waiting = poll({ 'room:1': 1 });
    waiting.replayed();
    waiting.message(message('room:1', 2, 'a\n"b"'));
    waiting.message(message('room:1', 3, ''));
    await turn();
    await turn();
    expect(answer()).to.deep.equal(['room:1 ok {"id":2,"payload":"a\\n\\"b\\""} {"id":3,"payload":""}']);
    waiting.message(message('room:1', 4));
    await turn();
    expect([outcomes.length, reasons, waiting.closed]).to.deep.equal([1, ['polled', 'polled'], true]);
  });

  it('leaves out what the client has from another gateway', async () => {
    const response = poll({ 'room:1': 5 });
    response.replayed();
    response.message(message('room:1', 5));
    await turn();
    await turn();
    expect(outcomes).to.deep.equal([]);
    response.message(message('room:1', 6));
    await turn();
    await turn();
    expect(answer()).to.deep.equal(['room:1 ok {"id":6,"payload":6}']);
  });

  it('has only the last message behind a reset, and of final values', () => {
    const response = poll({ 'room:1': 5, 'sticker:1': 5 });
    response.message(message('room:1', 6));
    response.reset('room:1');
    response.message(message('room:1', 2));
    response.message(message('room:1', 3));
    for (const revision of [6, 7, 8]) response.message(message('sticker:1', revision));
    response.replayed();
    expect(answer()).to.deep.equal(['room:1 reset {"id":3,"payload":3}', 'sticker:1 ok {"id":8,"payload":8}']);
  });

  it('says reset for a message behind a gap, unless the client has none before it, and for one that is too large', () => {
    const response = poll({ 'room:1': 5, 'room:3': 1 }, { isBehindGap: ({ payload }) => String(payload) === 'gap' });
    response.message(message('room:1', 6));
    response.message(message('room:1', 7, 'gap'));
    response.message(message('room:2', 1, 'gap'));
    response.message(message('room:2', 2, 'gap'));
    response.message(message('room:3', 2, '', { oversize: true }));
    response.replayed();
    expect(answer()).to.deep.equal([
      'room:1 reset {"id":7,"payload":"gap"}',
      'room:2 ok {"id":1,"payload":"gap"} {"id":2,"payload":"gap"}',
      'room:3 reset {"id":2}',
    ]);
  });

  it('waits behind a reset until nothing is being read', async () => {
    const response = poll({ 'room:1': 5 });
    let asked = 0;
    response.onReset = () => {
      if (++asked === 2) response.noop(NOW);
    };
    response.replayed();
    response.reset('room:1');
    await wait(50);
    expect(outcomes).to.deep.equal([]);
    await wait(300);
    expect([asked, answer()]).to.deep.equal([2, ['room:1 reset']]);
  });

  it('has a bound: the client asks for the rest', () => {
    const response = poll({}, { maxBuffer: 50 });
    for (let revision = 1; revision < 10; revision++) response.message(message('room:1', revision));
    expect(answer()).to.deep.equal(['room:1 ok {"id":1,"payload":1} {"id":2,"payload":2} {"id":3,"payload":3}']);
  });

  it('ends with an answer if the gateway is stopped, and with its reason if something is wrong', async () => {
    const stopped = poll({ 'room:1': 5 });
    stopped.denials = () => ['room:1'];
    stopped.close('shutdown', NOW);
    poll({}).close('expired', NOW, { refusal: 'expired' });
    poll({}).hangUp();
    const denied = poll({});
    denied.denials = () => ['room:1'];
    denied.close('denied', NOW);
    expect(outcomes).to.deep.equal([
      { news: new Map(), position: NOW, denied: [] },
      { reason: 'expired', ending: { refusal: 'expired' } },
      { reason: 'client', ending: {} },
      { news: new Map(), position: NOW, denied: ['room:1'] },
    ]);
    await turn();
    expect(reasons).to.deep.equal(['shutdown', 'expired', 'client', 'denied']);
  });
});
