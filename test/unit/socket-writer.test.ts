import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { SocketWriter } from '../../src/connection/socket-writer.ts';
import { eventually } from '../support/wait.ts';

/** How long a reader has for the last bytes, here (ms). */
const LINGER = 400;
/** More than two sockets hold. */
const MUCH = 8_000_000;

for (const direct of [true, false]) {
  describe(`a response on a socket, ${direct ? 'past' : 'through'} the stream of Node`, () => {
    let server: Server;
    let socket: Socket;
    let reader: Socket;
    let writer: SocketWriter;
    let text: string;
    /** How often the stream of Node was written to. */
    let through: number;

    beforeEach(async () => {
      server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const accepted = once(server, 'connection') as Promise<[Socket]>;
      reader = connect((server.address() as AddressInfo).port, '127.0.0.1');
      [socket] = await accepted;
      text = '';
      reader.setEncoding('latin1').on('data', (chunk) => {
        text += chunk;
      });
      writer = new SocketWriter(socket, { direct, linger: LINGER });
      const headers = { 'Content-Type': 'text/event-stream', Connection: 'close' };
      writer.begin({ status: 200, headers }, Buffer.from('first '));
      through = 0;
      const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
      socket.write = (...args: unknown[]) => {
        through++;
        return write(...args);
      };
    });

    afterEach(() => {
      reader.destroy();
      socket.destroy();
      server.close();
    });

    it('begins with its head and the first bytes, and is written in order', async () => {
      const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n';
      for (const part of ['one ', 'two ', 'three']) expect(writer.write(Buffer.from(part))).to.equal(true);
      await eventually(() => text === `${head}first one two three`);
      expect(through).to.equal(direct ? 0 : 3);
      expect([writer.unsent, writer.written, writer.taken]).to.deep.equal([0, text.length, text.length]);
    });

    it('says what the kernel has not taken, until it has', async () => {
      reader.pause();
      expect(writer.write(Buffer.alloc(MUCH, 'x'))).to.equal(false);
      expect(writer.write(Buffer.from('behind'))).to.equal(false);
      const { unsent, written, taken } = writer;
      expect(taken).to.be.above(0).and.below(MUCH);
      expect(unsent)
        .to.be.at.least(written - taken)
        .and.at.most(MUCH + 6);
      const drained = writer.drained();
      reader.resume();
      await drained;
      expect([writer.unsent, writer.taken]).to.deep.equal([0, written]);
      await eventually(() => text.endsWith('xbehind'));
    });

    it('waits no longer for a reader that goes, and closes once', async () => {
      let closed = 0;
      writer.onceClosed(() => closed++);
      reader.pause();
      writer.write(Buffer.alloc(MUCH, 'x'));
      const drained = writer.drained();
      expect(writer.isOpen).to.equal(true);
      reader.resetAndDestroy();
      await drained;
      // Whoever waits again and again must leave the event loop its turn, or the socket would never say that it has closed.
      for (let i = 0; closed === 0 && i < 10_000; i++) await writer.drained();
      expect(closed).to.equal(1);
      expect(writer.isOpen).to.equal(false);
      await writer.drained();
      writer.destroy();
      writer.reset();
      expect(closed).to.equal(1);
    });

    it('ends behind everything, and not without the reader for 2 s', async () => {
      reader.pause();
      writer.write(Buffer.alloc(MUCH, 'x'));
      writer.end(Buffer.from('last'));
      expect(writer.isOpen).to.equal(false);
      reader.resume();
      await once(reader, 'end');
      expect(text.endsWith('xlast')).to.equal(true);
    });

    it('ends after a while for a reader that takes nothing', async () => {
      reader.pause();
      writer.write(Buffer.alloc(MUCH, 'x'));
      const began = performance.now();
      writer.end();
      await once(socket, 'close');
      expect(performance.now() - began).to.be.within(LINGER - 10, LINGER + 1000);
    });
  });
}
