import { expect } from 'chai';
import type { CloseReason } from '../../src/connection/close-reason.ts';
import { Credit } from '../../src/connection/credit.ts';
import { EventStream } from '../../src/connection/event-stream.ts';
import { Flusher } from '../../src/connection/flusher.ts';
import type { KernelQueues } from '../../src/connection/kernel-queues.ts';
import type { ResponseHead } from '../../src/connection/response-head.ts';
import type { Writer } from '../../src/connection/writer.ts';
import { Delivery } from '../../src/message/delivery.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { aMessage } from '../support/messages.ts';
import { eventually } from '../support/wait.ts';

/** How often a stream above its bound is looked at: a twentieth of how long its reader may read nothing (ms). */
const LOOK = 10;
const HEAD: ResponseHead = { status: 200, headers: { 'Content-Type': 'text/event-stream' } };
const OK = /^id: 0\ndata: <message><status>ok<\/status><\/message>\nretry: \d+\n\n$/;

/** A transport without a socket, which takes what is written as long as it is not stuck. */
class FakeWriter implements Writer {
  /** What was called, in order, each with its bytes as text. */
  readonly calls: [what: string, text?: string][] = [];
  head: ResponseHead | undefined;
  isStuck = false;
  isOpen = true;
  written = 0;
  taken = 0;
  #close: () => void = () => undefined;
  readonly #waiting: (() => void)[] = [];

  get unsent(): number {
    return this.written - this.taken;
  }

  onceClosed(act: () => void): void {
    this.#close = act;
  }

  begin(head: ResponseHead, first: Buffer): boolean {
    this.head = head;
    return this.#take('begin', first);
  }

  write(data: Buffer): boolean {
    return this.#take('write', data);
  }

  drained(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  acknowledged(): number | undefined {
    return this.isStuck ? this.taken : undefined;
  }

  end(last?: Buffer): void {
    this.isOpen = false;
    this.calls.push(last ? ['end', last.toString()] : ['end']);
  }

  destroy(): void {
    this.calls.push(['destroy']);
    this.close();
  }

  reset(): void {
    this.calls.push(['reset']);
    this.close();
  }

  /** The reader takes everything. */
  takeAll(): void {
    this.taken = this.written;
    for (const settle of this.#waiting.splice(0)) settle();
  }

  close(): void {
    this.isOpen = false;
    for (const settle of this.#waiting.splice(0)) settle();
    this.#close();
  }

  #take(what: string, data: Buffer): boolean {
    this.calls.push([what, data.toString()]);
    this.written += data.length;
    if (!this.isStuck) this.taken = this.written;
    return !this.isStuck;
  }
}

describe('an event stream over any transport', () => {
  let writer: FakeWriter;
  let stream: EventStream;
  let ended: CloseReason | undefined;

  beforeEach(() => {
    ended = undefined;
    writer = new FakeWriter();
    stream = new EventStream({
      writer,
      head: HEAD,
      format: 'raw',
      flusher: new Flusher(new Credit(32_000_000, 64_000_000, LOOK)),
      maxBuffer: 1000,
      isConflated: () => false,
    });
    stream.onClose = (reason) => {
      ended = reason;
    };
  });

  function send(text: string): void {
    stream.message(new Delivery(aMessage({ id: 7 as Position, payload: Buffer.from(text) })));
  }

  const written = (): number => writer.calls.filter(([what]) => what === 'write').length;

  it('sends its head once, as a record and together with the first frame, and the frames of a turn in one write', async () => {
    stream.open('ok', BEGINNING);
    stream.open('ok', BEGINNING);
    send('one');
    send('two');
    await eventually(() => written() > 0);
    expect(writer.head).to.equal(HEAD);
    const [[how, first], ...others] = writer.calls as [[string, string]];
    expect(how).to.equal('begin');
    expect(first).to.match(OK);
    expect(others).to.deep.equal([['write', 'data: one\nid: 7\n\ndata: two\nid: 7\n\n']]);
  });

  it('waits with a replay until the transport has taken what was written', async () => {
    stream.open('ok', BEGINNING);
    writer.isStuck = true;
    let isDrained = false;
    for (let i = 0; i < 10; i++) send('x'.repeat(100));
    const drained = stream.drained().then(() => {
      isDrained = true;
    });
    await eventually(() => written() > 0);
    expect(isDrained).to.equal(false);
    writer.takeAll();
    await drained;
    expect(ended).to.equal(undefined);
  });

  it('waits no longer when the transport closes, which means that the client has left', async () => {
    stream.open('ok', BEGINNING);
    writer.isStuck = true;
    for (let i = 0; i < 10; i++) send('x'.repeat(100));
    const drained = stream.drained();
    writer.close();
    await drained;
    expect([ended, stream.closed]).to.deep.equal(['client', true]);
    send('late');
    stream.flush();
    expect(written()).to.equal(1);
  });

  it('ends at once when the transport takes nothing for long, and takes that for a slow reader', async () => {
    stream.open('ok', BEGINNING);
    writer.isStuck = true;
    for (let i = 0; i < 20; i++) send('x'.repeat(100));
    await eventually(() => ended === 'slow', 1000);
    expect(writer.calls.at(-1)).to.deep.equal(['destroy']);
  });

  it('stays when the transport goes on taking something, until it is within its bound', async () => {
    stream.open('ok', BEGINNING);
    writer.isStuck = true;
    for (let i = 0; i < 20; i++) send('x'.repeat(100));
    for (let i = 0; i < 30; i++) {
      writer.taken++;
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
    expect([ended, stream.taken]).to.deep.equal([undefined, writer.taken]);
    writer.takeAll();
    await new Promise((resolve) => setTimeout(resolve, 30 * LOOK));
    expect(ended).to.equal(undefined);
  });

  it('says the last word behind what waits, and then the transport ends', () => {
    stream.open('ok', BEGINNING);
    send('one');
    stream.close('shutdown', 9 as Position);
    const [[, text], [how, last]] = writer.calls.slice(1) as [[string, string], [string, string]];
    expect(text).to.equal('data: one\nid: 7\n\n');
    expect(how).to.equal('end');
    expect(last).to.match(/^id: 9\ndata: noop\nretry: \d+\n\n$/);
  });

  it('has the refusal for its first frame if it is refused', () => {
    stream.close('failure', 9 as Position, { refusal: 'missing' });
    const [[how, first], end] = writer.calls as [[string, string], [string]];
    expect(how).to.equal('begin');
    expect(first).to.match(/^id: 9\ndata: <message><status>failure<\/status><\/message>\nretry: \d+\n: missing\n\n$/);
    expect(end).to.deep.equal(['end']);
  });

  it('asks the transport what is acknowledged, and drops all of it for a reader that has gone', () => {
    stream.open('ok', BEGINNING);
    const queues = {} as KernelQueues;
    expect(stream.acknowledged(queues)).to.equal(undefined);
    writer.isStuck = true;
    expect(stream.acknowledged(queues)).to.equal(writer.taken);
    stream.close('gone', BEGINNING);
    expect(writer.calls.at(-1)).to.deep.equal(['reset']);
    expect(ended).to.equal('gone');
  });
});
