import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { CloseReason } from '../../src/connection/close-reason.ts';
import { Credit } from '../../src/connection/credit.ts';
import { EventStream } from '../../src/connection/event-stream.ts';
import { Flusher } from '../../src/connection/flusher.ts';
import { SocketWriter } from '../../src/connection/socket-writer.ts';
import { Delivery } from '../../src/message/delivery.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { aMessage } from '../support/messages.ts';
import { eventually } from '../support/wait.ts';

/** How often a stream above its bound is looked at: a twentieth of how long its reader may read nothing (ms). */
const LOOK = 10;

for (const direct of [true, false]) {
  describe(`an event stream${direct ? '' : ', written through the stream of Node'}`, () => {
    let server: Server;
    let reader: Socket;
    let stream: EventStream;
    let ended: CloseReason | undefined;
    let sent = 0;
    let read = 0;

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
      stream = new EventStream({ ...options, writer: new SocketWriter(socket, { direct }), maxBuffer });
      [ended, sent, read] = [undefined, 0, 0];
      stream.onClose = (reason) => {
        ended = reason;
      };
      stream.open('ok', BEGINNING);
      reader.on('data', (bytes) => {
        read += bytes.length;
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
  });
}
