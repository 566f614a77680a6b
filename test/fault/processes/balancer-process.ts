import { connect, createServer, type Socket } from 'node:net';
import { listen } from './channel.ts';

export interface BalancerOrder {
  /** The gateways, by port. */
  ports: number[];
}

export interface BalancerReport {
  port: number;
}

/** One address for all gateways: each connection goes to the next one that answers. */
let ports: number[] = [];
let next = 0;

const server = createServer({ noDelay: true }, (client) => {
  client.on('error', () => {}); // `close` follows
  connectTo([...ports.slice(next % ports.length), ...ports.slice(0, next % ports.length)], client);
  next++;
});

function connectTo(candidates: number[], client: Socket): void {
  const [port, ...rest] = candidates;
  if (port === undefined || client.destroyed) {
    client.destroy();
    return;
  }
  const gateway = connect({ port, host: '127.0.0.1', noDelay: true });
  const tryNext = (): void => connectTo(rest, client);
  gateway.once('error', tryNext);
  gateway.once('connect', () => {
    gateway.off('error', tryNext);
    gateway.on('error', () => {}); // `close` follows
    gateway.on('close', () => client.destroy());
    client.on('close', () => gateway.destroy());
    client.pipe(gateway);
    gateway.pipe(client);
    if (client.destroyed) gateway.destroy();
  });
}

const send = listen<BalancerOrder, BalancerReport>((order) => {
  ports = order.ports;
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address !== 'string') send({ port: address.port });
});
