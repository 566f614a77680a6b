import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { closeUntaken } from '../../src/cli/worker-connections.ts';
import { eventually } from '../support/wait.ts';

/** A process of a worker. `sent` has what it was sent, `answers` the numbers that were answered with `accepted`. */
class FakeProcess extends EventEmitter {
  readonly sent: unknown[] = [];
  readonly answers: number[] = [];
  connected = true;

  constructor() {
    super();
    this.on('internalMessage', ({ ack, accepted }) => accepted && this.answers.push(ack));
  }

  send(...args: unknown[]): boolean {
    this.sent.push(args);
    return true;
  }
}

const handing = (seq: number): object => ({ cmd: 'NODE_CLUSTER', act: 'newconn', key: 'a port', seq });

describe('the connections that a worker is handed', () => {
  let worker: FakeProcess;

  beforeEach(() => {
    worker = new FakeProcess();
    closeUntaken(worker as unknown as ChildProcess);
  });

  it('are sent to it as they are', () => {
    worker.send(handing(1), 'a handle');
    worker.send({ kind: 'begin' });
    expect(worker.sent).to.deep.equal([[handing(1), 'a handle'], [{ kind: 'begin' }]]);
  });

  it('are answered for it when it has ended without an answer, and each once', () => {
    for (const seq of [1, 2, 3]) worker.send(handing(seq), 'a handle');
    worker.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack: 2, accepted: true });
    worker.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack: 3, accepted: false });
    expect(worker.answers).to.deep.equal([2]);
    worker.emit('disconnect');
    expect(worker.answers).to.deep.equal([2, 1]);
    worker.emit('disconnect');
    expect(worker.answers).to.deep.equal([2, 1]);
  });

  it('are answered for it also if Node does not say that the channel has ended', async () => {
    worker.send(handing(1), 'a handle');
    worker.emit('close');
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(worker.answers, 'an answer may still come').to.deep.equal([]);
    worker.connected = false;
    await eventually(() => worker.answers.length > 0, 1000);
    expect(worker.answers).to.deep.equal([1]);
  });

  it('are no others of the messages that Node sends', () => {
    worker.send({ cmd: 'NODE_CLUSTER', act: 'disconnect', seq: 1 });
    worker.send({ kind: 'report', number: 2 });
    worker.emit('disconnect');
    expect(worker.answers).to.deep.equal([]);
  });
});
