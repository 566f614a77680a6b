import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { PollResponse } from '../../src/connection/poll-response.ts';
import type { ResponseHead } from '../../src/connection/response-head.ts';
import type { Writer } from '../../src/connection/writer.ts';
import { Delivery } from '../../src/message/delivery.ts';
import type { Message } from '../../src/message/message.ts';
import type { Position } from '../../src/message/position.ts';

describe('the response to a poll', () => {
  let sent: string[];
  let head: ResponseHead | undefined;
  let reasons: string[];
  let hangUp: () => void;
  let isDestroyed: boolean;

  beforeEach(() => {
    sent = [];
    head = undefined;
    reasons = [];
    isDestroyed = false;
  });

  function poll(maxBuffer = 1000, isFirst = false): PollResponse {
    const writer = {
      onceClosed: (act: () => void) => {
        hangUp = act;
      },
      begin: (given: ResponseHead, first: Buffer) => {
        head = given;
        sent.push(first.toString());
        return true;
      },
      end: () => undefined,
      destroy: () => {
        isDestroyed = true;
        hangUp();
      },
    } as unknown as Writer;
    const options = {
      writer,
      format: 'raw',
      noopInterval: 15_000,
      maxBuffer,
      random: () => 0,
      isConflated,
      isFirst,
    } as const;
    const response = new PollResponse({ ...options, head: { status: 200, headers: { A: 'b' } } });
    response.onClose = (reason) => reasons.push(reason);
    return response;
  }

  const isConflated = (channel: string): boolean => channel.startsWith('sticker:');

  function message(id: number, text: string, channel = 'room:1'): Delivery {
    const payload = Buffer.from(text);
    return new Delivery({ id: id as Position, channel, payload, event: undefined } as unknown as Message);
  }

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const data = (): string[] => [...(sent[0] ?? '').matchAll(/^data: (.*)$/gm)].map(([, text]) => text!);

  it('has all messages of one moment, its length, and nothing after its end', async () => {
    const response = poll();
    response.open('ok', 1 as Position);
    response.message(message(2, 'a'));
    response.message(message(3, 'b'));
    expect(sent).to.deep.equal([]);
    await turn();
    response.message(message(4, 'c'));
    response.close('shutdown', 4 as Position);
    await turn();
    expect(sent).to.have.length(1);
    expect(data().slice(1)).to.deep.equal(['a', 'b']);
    expect(head!.headers).to.deep.equal({ A: 'b', 'Content-Length': `${sent[0]!.length}` });
    expect(reasons).to.deep.equal(['polled']);
  });

  it('is answered at once if the client has no position, and not if it is refused before', async () => {
    const response = poll(1000, true);
    response.open('ok', 1 as Position);
    response.denied('room:5', 1 as Position);
    await turn();
    expect(data().length).to.equal(2);
    expect(reasons).to.deep.equal(['polled']);
    sent = [];
    reasons = [];
    poll(1000, true).close('redis', 1 as Position);
    await turn();
    expect(data()).to.deep.equal(['<message><status>error</status></message>']);
    expect(reasons).to.deep.equal(['redis']);
  });

  it('has only the newest message of a channel whose messages replace each other, in its place by id', async () => {
    const response = poll();
    response.open('ok', 1 as Position);
    response.message(message(2, 'a 1', 'sticker:a'));
    response.message(message(3, 'b 1', 'sticker:b'));
    response.message(message(4, 'c 1'));
    response.message(message(5, 'a 2', 'sticker:a'));
    response.message(message(6, 'c 2'));
    response.message(message(7, 'a 3', 'sticker:a'));
    await turn();
    expect(data().slice(1)).to.deep.equal(['b 1', 'c 1', 'c 2', 'a 3']);
    expect([...sent[0]!.matchAll(/^id: (.*)$/gm)].map(([, id]) => id)).to.deep.equal(['1', '3', '4', '6', '7']);
    expect(head!.headers['Content-Length']).to.equal(`${sent[0]!.length}`);
  });

  it('waits behind a reset for what is kept, and for the owner to say how far the client has come', async () => {
    const response = poll();
    let asked = 0;
    response.onReset = () => {
      asked++;
    };
    response.open('ok', 1 as Position);
    response.reset('room:1', 'trimmed', 1 as Position);
    await wait(250);
    expect(sent).to.deep.equal([]);
    expect(asked).to.be.within(1, 2);
    response.noop(9 as Position);
    expect(data().at(-1)).to.equal('noop');
    expect(sent[0]).to.match(/id: 9\n/);
    const before = asked;
    await wait(150);
    expect(asked).to.equal(before);
  });

  it('is not ended by what may not be read: the client would ask again at once, for ever', async () => {
    const response = poll();
    response.open('ok', 1 as Position);
    response.denied('room:5', 1 as Position);
    await turn();
    expect(sent).to.deep.equal([]);
    response.close('client', 1 as Position);
    expect([isDestroyed, reasons, response.closed]).to.deep.equal([true, ['client'], true]);
  });

  it('has a bound: the client asks for the rest', () => {
    const response = poll(10);
    response.open('ok', 1 as Position);
    response.message(message(2, 'a'));
    response.message(message(3, 'b'));
    expect(data().slice(1)).to.deep.equal(['a']);
  });

  it('says why it is refused, or ended, and when to come back', async () => {
    poll().close('failure', 1 as Position, { refusal: 'expired' });
    expect(sent[0])
      .to.include('<status>failure</status>')
      .and.match(/retry: 30000\n: expired\n/);
    sent = [];
    const opened = poll();
    opened.open('ok', 1 as Position);
    opened.close('expired', 2 as Position);
    expect(sent[0]).to.match(/retry: 100\n\nid: 2\ndata: .*failure.*\nretry: 1500\n: expired\n/);
    sent = [];
    const drained = poll();
    drained.open('ok', 1 as Position);
    drained.close('shutdown', 3 as Position);
    expect(sent[0]).to.match(/id: 3\ndata: noop\nretry: 100\n/);
    await turn();
    expect(reasons).to.deep.equal(['failure', 'expired', 'shutdown']);
  });
});
