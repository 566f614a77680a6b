import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, start, stop } from '../processes.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { executable } from './executable.ts';
import { channelName, type Peer, type Reader } from './peer.ts';
import { firstLine } from './probe.ts';
import { SECRET, signedToken } from './signed-token.ts';
import { waitForPort } from './wait-for-port.ts';

/** In memory; a backlog of 100 per channel and pings every 15 s, as the gateway keeps and does. */
function configuration(port: number): object {
  const kept = { history_size: 100, history_ttl: '24h' };
  return {
    http_server: { address: '127.0.0.1', port: String(port) },
    log: { level: 'warn' },
    usage_stats: { disabled: true },
    websocket: { disabled: true },
    uni_sse: { enabled: true },
    http_api: { key: SECRET },
    client: { token: { hmac_secret_key: SECRET }, ping_interval: '15s' },
    channel: {
      namespaces: [
        { name: 'room', ...kept },
        { name: 'user', ...kept },
      ],
    },
  };
}

/** A stream's channels are those its token names: subscribed by the server before the head goes out. */
function path({ user, channels }: Reader): string {
  const token = signedToken({ sub: String(user), channels: channels.map(channelName) });
  return `/connection/uni_sse?cf_connect=${encodeURIComponent(JSON.stringify({ token }))}`;
}

export const centrifugo: Peer = {
  name: 'centrifugo',
  probe() {
    const program = executable('centrifugo');
    const version = program && firstLine(program, 'version');
    return version ? { version } : { missing: 'centrifugo' };
  },
  async start() {
    const folder = temporaryFolder('centrifugo');
    const port = await freePort();
    const file = join(folder, 'config.json');
    writeFileSync(file, JSON.stringify(configuration(port)));
    const started = start([executable('centrifugo')!, '--config', file], {
      log: join(folder, 'log'),
      cwd: folder,
      // One core, as Nchan's worker and the gateway have.
      env: { ...process.env, GOMAXPROCS: '1' },
    });
    await waitForPort(port);
    return {
      port,
      readyOn: 'head',
      pids: [started.pid],
      publish: { port, form: 'centrifugo', connections: 8, header: `X-API-Key: ${SECRET}` },
      path,
      close: () => stop(started),
    };
  },
};
