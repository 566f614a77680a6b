import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { CloseReason } from '../../src/connection/close-reason.ts';
import { Credit } from '../../src/connection/credit.ts';
import { EventStream } from '../../src/connection/event-stream.ts';
import { Flusher } from '../../src/connection/flusher.ts';
import { SocketWriter } from '../../src/connection/socket-writer.ts';
import type { Writer } from '../../src/connection/writer.ts';
import { Delivery } from '../../src/message/delivery.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { aMessage } from '../support/messages.ts';
import { eventually } from '../support/wait.ts';

/** How often a stream above its bound is looked at: a twentieth of how long its reader may read nothing (ms). */
const LOOK = 10;
const isConflated = (channel: string): boolean => channel.startsWith('sticker:');

for (const direct of [true, false]) {
  describe(`an event stream${direct ? '' : ', written through the stream of Node'}`, () => {
    let server: Server;
    let reader: Socket;
    let stream: EventStream;
    let ended: CloseReason | undefined;
    let sent = 0;
    let read = 0;
    /** All that was read. */
    let text = '';

    async function open(maxBuffer: number): Promise<void> {
      server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const accepted = once(server, 'connection') as Promise<[Socket]>;
      reader = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
      const [socket] = await accepted;
      socket.resume();
      const options = {
        head: { status: 200, headers: {} },
        format: 'raw',
        flusher: new Flusher(new Credit(32_000_000, 64_000_000, LOOK)),
      } as const;
      stream = new EventStream({ ...options, writer: new SocketWriter(socket, { direct }), maxBuffer, isConflated });
      [ended, sent, read] = [undefined, 0, 0];
      stream.onClose = (reason) => {
        ended = reason;
      };
      stream.open('ok', BEGINNING);
      text = '';
      reader.on('data', (bytes) => {
        read += bytes.length;
        text += bytes.toString('latin1');
      });
      await eventually(() => read > 0);
      read = 0;
    }

    afterEach(() => {
      reader.destroy();
      server.close();
    });

    function message(bytes: number, crowd?: true): Delivery {
      const one = aMessage({ id: (1_000_000 + sent) as Position, payload: Buffer.alloc(bytes, 'x') });
      return new Delivery(one, crowd);
    }

    function send(bytes: number, crowd?: true): void {
      const one = message(bytes, crowd);
      stream.message(one);
      sent += one.frames.raw!.length;
    }

    for (const [what, bound, count, size, crowd] of [
      ['of large messages', 1_000_000, 40, 250_000, undefined],
      ['of large messages to a crowd', 1_000_000, 40, 250_000, true],
      ['of many messages', 1_000_000, 10_000, 1500, undefined],
      ['with a bound that one message fills', 1024, 5000, 1000, undefined],
      ['with such a bound, to a crowd', 1024, 5000, 1000, true],
    ] as const) {
      it(`gives a reader that reads all of a burst ${what}`, async () => {
        await open(bound);
        for (let i = 0; i < count; i++) send(size, crowd);
        await eventually(() => read === sent || ended !== undefined, 10_000);
        expect([read, ended]).to.deep.equal([sent, undefined]);
      });
    }

    it('ends with a reader that has stopped, and is given no more meanwhile than it may have on credit', async () => {
      await open(100_000);
      reader.pause();
      for (let i = 0; i < 2000 && !ended; i++) {
        send(50_000);
        if (i % 10 === 0) await wait(1);
        if (stream.closed) break;
      }
      expect(sent).to.be.below(60_000_000);
      await eventually(() => ended === 'slow', 1000);
    });

    it('ends with a reader that has stopped also where nothing more is sent', async () => {
      await open(100_000);
      reader.pause();
      for (let i = 0; i < 40; i++) send(250_000);
      await eventually(() => ended === 'slow', 1000);
    });

    it('stays with a reader that reads slowly, and is within its bound a moment later', async () => {
      await open(1_000_000);
      reader.pause();
      for (let i = 0; i < 40; i++) send(250_000);
      await wait(10 * LOOK);
      reader.resume();
      await eventually(() => read === sent, 5000);
      await wait(25 * LOOK);
      expect(ended).to.equal(undefined);
    });

    for (const bound of [1024, 20_000, 1_000_000]) {
      it(`waits with a replay for a reader that stands still, within a bound of ${bound} bytes`, async () => {
        await open(bound);
        reader.pause();
        let waiting = false;
        const replay = async (): Promise<void> => {
          for (let i = 0; i < 20_000; i++) {
            send(Math.min(bound, 1000));
            waiting = true;
            await stream.drained();
            waiting = false;
          }
        };
        const done = replay();
        await eventually(() => waiting);
        let before: number;
        do {
          before = sent;
          await wait(100);
        } while (sent > before);
        expect(waiting).to.equal(true);
        expect(sent - stream.taken).to.be.below(2 * bound);
        // Above its bound it would be given up by now.
        await wait(25 * LOOK);
        expect(ended).to.equal(undefined);
        reader.resume();
        await done;
        stream.flush();
        await eventually(() => read === sent, 5000);
      });
    }

    it('neither waits for ever for a reader that goes, nor goes on without it', async () => {
      await open(20_000);
      reader.pause();
      const replay = async (): Promise<number> => {
        let count = 0;
        for (; !stream.closed && count < 5000; count++) {
          send(10_000);
          await stream.drained();
        }
        return count;
      };
      const done = replay();
      await wait(100);
      reader.resetAndDestroy();
      expect(await done).to.be.below(5000);
      expect(ended).to.equal('client');
    });

    describe('of a channel whose messages replace each other', () => {
      let id = 1;

      function say(channel: string, data: string): void {
        stream.message(new Delivery(aMessage({ id: id++ as Position, channel, payload: Buffer.from(data) })));
      }

      /** Fills all that lies between the stream and its reader, who has stopped. */
      async function stall(): Promise<void> {
        reader.pause();
        for (let before = -1; stream.taken > before; ) {
          before = stream.taken;
          for (let i = 0; i < 40; i++) say('room:1', 'x'.repeat(50_000));
          stream.flush();
          await wait(20);
        }
      }

      /** The data of what was read behind the first frame, but for the filling. */
      function told(): string[] {
        const all = [...text.matchAll(/^data: (.*)\n/gm)].map(([, data]) => data!);
        return all.slice(1).filter((data) => !data.startsWith('xx'));
      }

      function expectRisingIds(): void {
        const ids = [...text.matchAll(/^id: (\d+)\n/gm)].map(([, at]) => Number(at)).slice(1);
        expect(ids).to.deep.equal(ids.toSorted((a, b) => a - b));
      }

      it('gives all to a reader that keeps up', async () => {
        await open(1_000_000);
        for (let i = 0; i < 100; i++) say('sticker:1', `${i}`);
        await eventually(() => told().length === 100);
      });

      it('gives only the newest to a reader that is behind, and everything of other channels, in the order of ids', async () => {
        await open(100_000_000);
        await stall();
        for (let i = 1; i <= 100; i++) {
          say('sticker:1', `one ${i}`);
          if (i % 50 === 0) say('room:1', `room ${i}`);
          if (i <= 60) say('sticker:2', `two ${i}`);
          if (i % 10 === 0) await wait(1);
        }
        stream.reset('room:2', 'unrecorded', id as Position);
        say('sticker:1', 'one last');
        reader.resume();
        await eventually(() => told().includes('one last'), 5000);
        expect(told().slice(0, 3)).to.deep.equal(['room 50', 'two 60', 'room 100']);
        expect(told()[3]).to.include('unrecorded');
        expect(told().slice(4)).to.deep.equal(['one last']);
        expectRisingIds();
        // It keeps up again.
        await eventually(() => {
          for (const data of ['again', 'and again']) say('sticker:1', data);
          return told().includes('again');
        });
        expect(ended).to.equal(undefined);
      });

      it('does not end with a reader that has stopped, however much is published there', async () => {
        await open(30_000_000);
        await stall();
        for (let i = 0; i < 3000; i++) say('sticker:1', `${i} `.padEnd(50_000, 'y'));
        await wait(25 * LOOK);
        expect(ended).to.equal(undefined);
        reader.resume();
        await eventually(() => told().length > 0, 5000);
        expect(told().map((data) => data.slice(0, 5))).to.deep.equal(['2999 ']);
      });

      it('sends one noop of those that wait behind it, and all that is held before it ends', async () => {
        await open(100_000_000);
        await stall();
        say('sticker:1', 'one');
        for (let i = 0; i < 10; i++) stream.noop(id++ as Position);
        say('room:1', 'room');
        stream.close('shutdown', id as Position);
        reader.resume();
        await eventually(() => told().length === 4, 5000);
        expect(told()).to.deep.equal(['one', 'noop', 'room', 'noop']);
        expectRisingIds();
      });

      it('lets a replay wait for its reader', async () => {
        await open(100_000_000);
        await stall();
        let isDone = false;
        const replay = (async () => {
          for (let i = 0; i < 100; i++) {
            say(`sticker:${i}`, `${i}`.padEnd(10_000, '-'));
            await stream.drained();
          }
          isDone = true;
        })();
        await wait(25 * LOOK);
        expect([isDone, ended]).to.deep.equal([false, undefined]);
        reader.resume();
        await replay;
        await eventually(() => told().length === 100, 5000);
        expectRisingIds();
      });
    });
  });
}

describe('an event stream whose writer has nearly everything', () => {
  it('lets a replay wait for what is held', async () => {
    const drained: (() => void)[] = [];
    const writer = {
      ...{ isOpen: true, unsent: 0, written: 0, taken: 0 },
      onceClosed: () => undefined,
      begin: () => true,
      write: () => true,
      drained: () => new Promise<void>((resolve) => drained.push(resolve)),
    };
    const options = { head: { status: 200, headers: {} }, format: 'raw', flusher: new Flusher() } as const;
    const stream = new EventStream({
      ...options,
      writer: writer as unknown as Writer,
      maxBuffer: 1_000_000,
      isConflated,
    });
    stream.open('ok', BEGINNING);
    writer.unsent = 1;
    const payload = Buffer.alloc(200_000, 'x');
    stream.message(new Delivery(aMessage({ channel: 'sticker:1', payload })));
    let isDone = false;
    void stream.drained().then(() => {
      isDone = true;
    });
    await wait(10);
    expect([isDone, drained.length]).to.deep.equal([false, 2]);
    writer.unsent = 0;
    for (const resolve of drained.splice(0)) resolve();
    await eventually(() => isDone);
  });
});
