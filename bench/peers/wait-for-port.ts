import { connect } from 'node:net';
import { until } from '../processes.ts';

export async function waitForPort(port: number, seconds = 15): Promise<void> {
  await until(
    `port ${port} accepts connections`,
    seconds,
    () =>
      new Promise<true | undefined>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.destroy();
          resolve(true);
        });
        socket.on('error', () => resolve(undefined));
      }),
  );
}
