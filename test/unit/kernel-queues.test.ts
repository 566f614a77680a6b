import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import { takenOf } from '../../src/connection/direct-write.ts';
import { hexOf, KernelQueues } from '../../src/connection/kernel-queues.ts';
import { eventually } from '../support/wait.ts';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

describe('what the kernel keeps until it is acknowledged', () => {
  for (const [how, listen, to] of [
    ['over IPv4', '127.0.0.1', '127.0.0.1'],
    ['over IPv6', '::1', '::1'],
    ['over IPv4, by a server that listens for both', '::', '127.0.0.1'],
  ] as const) {
    it(`is found for a socket whose reader has stopped, and for no other: ${how}`, async () => {
      const server = createServer().listen(0, listen);
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const pair = async (): Promise<[Socket, Socket]> => {
        const accepted = once(server, 'connection') as Promise<[Socket]>;
        const reader = connect(port, to).on('error', () => undefined);
        return [(await accepted)[0].on('error', () => undefined), reader];
      };
      const [stopped, stoppedReader] = await pair();
      const [other, otherReader] = await pair();
      try {
        stoppedReader.pause();
        otherReader.resume();
        stopped.write(Buffer.alloc(20_000_000));
        other.write('all of it');
        let taken: number;
        do {
          taken = takenOf(stopped);
          await new Promise((resolve) => setTimeout(resolve, 100));
        } while (takenOf(stopped) > taken);
        const queues = (await KernelQueues.read())!;
        expect(queues.isEmpty).to.equal(false);
        expect(queues.of(stopped)).to.be.above(0).and.below(20_000_000);
        expect(queues.of(other)).to.equal(0);
        stoppedReader.resume();
        await eventually(() => takenOf(stopped) === 20_000_000);
        await eventually(async () => (await KernelQueues.read())!.of(stopped) === 0);
        stopped.destroy();
        expect(queues.of(stopped)).to.equal(0);
      } finally {
        for (const socket of [stopped, stoppedReader, other, otherReader]) socket.destroy();
        server.close();
      }
    });
  }

  it('is told by the lines of connections that have something', () => {
    const line = (number: number, state: string, queue: string): string =>
      `${String(number).padStart(4)}: 0100007F:0BB9 0100007F:${(0x8000 + number).toString(16).toUpperCase()} ${state} ${queue}:00000000 00:00000000 00000000     0        0 1 1\n`;
    const nothing = new KernelQueues([HEAD + line(1, '01', '00000000') + line(2, '0A', '00000001'), '']);
    expect(nothing.isEmpty).to.equal(true);
    expect(new KernelQueues([HEAD, HEAD + line(12_345, '01', '0000001A')]).isEmpty).to.equal(false);
  });

  it('is found by addresses as the kernel writes them', () => {
    const isLittle = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
    if (!isLittle) return;
    expect(hexOf('127.0.0.1')).to.equal('0100007F');
    expect(hexOf('::1')).to.equal('00000000000000000000000001000000');
    expect(hexOf('::')).to.equal('0'.repeat(32));
    expect(hexOf('::ffff:10.9.78.2')).to.equal('0000000000000000FFFF0000024E090A');
    expect(hexOf('fe80::1:2%eth0')).to.equal('000080FE000000000000000002000100');
    expect(hexOf('2001:db8:1:2:3:4:5:6')).to.equal('B80D0120020001000400030006000500');
  });
});
