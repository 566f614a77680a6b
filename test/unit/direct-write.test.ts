import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { learnDirectWrite, writeDirectly } from '../../src/connection/direct-write.ts';
import { eventually } from '../support/wait.ts';

/** More than two sockets hold. */
const MUCH = 8_000_000;

describe('a direct write', () => {
  let server: Server;
  /** The side that writes, and the one that reads. */
  let socket: Socket;
  let reader: Socket;
  let sent = 0;
  const writer = { sent: () => void sent++ };

  beforeEach(async () => {
    sent = 0;
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    reader = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
    [socket] = await accepted;
    socket.on('error', () => undefined);
    learnDirectWrite(socket);
    socket.write(Buffer.from('head '));
  });

  afterEach(() => {
    reader.destroy();
    socket.destroy();
    server.close();
  });

  async function read(length: number): Promise<string> {
    let text = '';
    reader.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    await eventually(() => text.length >= length);
    return text;
  }

  it('goes at once, behind what was written before, and leaves nothing', async () => {
    expect(writeDirectly(socket, Buffer.from('one '), writer)).to.equal(0);
    expect(writeDirectly(socket, Buffer.from('two'), writer)).to.equal(0);
    expect(await read(12)).to.equal('head one two');
    expect(sent).to.equal(0);
  });

  it('tells what the kernel did not take, and when it has; what comes later by either way stays behind', async () => {
    const much = Buffer.alloc(MUCH, 'x');
    const left = writeDirectly(socket, much, writer)!;
    expect(left).to.be.above(0).and.below(MUCH);
    socket.write('then');
    // Node's stream has something to write: that is not overtaken.
    expect(writeDirectly(socket, Buffer.from('never'), writer)).to.equal(undefined);
    expect(sent).to.equal(0);
    expect(await read(5 + MUCH + 4)).to.equal(`head ${much.toString('latin1')}then`);
    await eventually(() => sent === 1);
    expect(writeDirectly(socket, Buffer.from('again'), writer)).to.equal(0);
    expect(await read(5)).to.equal('again');
  });

  it('with more before it that the kernel has not taken keeps its place', async () => {
    const much = Buffer.alloc(MUCH, 'x');
    writeDirectly(socket, much, writer);
    expect(writeDirectly(socket, Buffer.from('behind'), writer)).to.be.above(0);
    expect(await read(5 + MUCH + 6)).to.equal(`head ${much.toString('latin1')}behind`);
    await eventually(() => sent === 2);
  });

  it('uses no request twice that is still under way, though nothing of it is left', async () => {
    const { _handle: handle } = socket as unknown as {
      _handle: { writeBuffer: (request: object, data: Buffer) => number };
    };
    const write = handle.writeBuffer.bind(handle);
    const requests: object[] = [];
    handle.writeBuffer = (request, data) => {
      requests.push(request);
      // The second one is not carried out: with the same request the process would end here.
      return requests.length === 1 ? write(request, data) : 0;
    };
    Object.defineProperty(handle, 'writeQueueSize', { value: 0 });
    expect(writeDirectly(socket, Buffer.alloc(MUCH, 'x'), writer)).to.equal(0);
    expect(writeDirectly(socket, Buffer.from('next'), writer)).to.equal(0);
    expect(requests[1]).to.not.equal(requests[0]);
    expect((await read(5 + MUCH)).length).to.equal(5 + MUCH);
  });

  it('is not made where the socket has ended, or has no handle', () => {
    socket.end();
    expect(writeDirectly(socket, Buffer.from('late'), writer)).to.equal(undefined);
    socket.destroy();
    expect(writeDirectly(socket, Buffer.from('later'), writer)).to.equal(undefined);
  });

  it('to a reader that has gone ends the socket, and is told of once', async () => {
    writeDirectly(socket, Buffer.alloc(MUCH, 'x'), writer);
    reader.resetAndDestroy();
    await eventually(() => socket.closed);
    await eventually(() => sent === 1);
    expect(writeDirectly(socket, Buffer.from('late'), writer)).to.equal(undefined);
  });
});
