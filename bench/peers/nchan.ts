import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, start, stop, until } from '../processes.ts';
import { startRedis } from '../redis-server.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { channelName, type Peer, type PeerName } from './peer.ts';
import { firstLine } from './probe.ts';
import { waitForPort } from './wait-for-port.ts';

const MODULE = process.env.NCHAN_MODULE ?? '/usr/lib/nginx/modules/ngx_nchan_module.so';

/** A backlog of 100 per channel, pings every 15 s, one worker: what the gateway keeps and does, on as many cores. */
function configuration(port: number, folder: string, redisPort: number | undefined): string {
  const upstream = redisPort ? `upstream bench { nchan_redis_server redis://127.0.0.1:${redisPort}; }` : '';
  const pass = redisPort ? 'nchan_redis_pass bench;' : '';
  return `
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off; worker_processes 1; worker_rlimit_nofile 20000;
pid ${folder}/pid; error_log ${folder}/error.log warn;
load_module ${MODULE};
events { worker_connections 60000; }
http {
  access_log off;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  keepalive_requests 1000000000; keepalive_timeout 1h; client_header_timeout 1h; large_client_header_buffers 8 32k;
  nchan_shared_memory_size 2048M; nchan_message_buffer_length 100; nchan_message_timeout 24h;
  ${upstream}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location /pub { nchan_publisher; nchan_channel_id $arg_id; ${pass} }
    location ~ ^/sub/(.+)$ {
      nchan_subscriber eventsource; nchan_channel_id $1; nchan_channel_id_split_delimiter ",";
      nchan_subscriber_first_message newest; nchan_eventsource_ping_interval 15; ${pass}
    }
    location ~ ^/poll/(.+)$ {
      nchan_subscriber longpoll; nchan_channel_id $1; nchan_subscriber_first_message newest; ${pass}
    }
  }
}`;
}

function nchanPeer(name: PeerName, overRedis: boolean): Peer {
  return {
    name,
    probe() {
      const version = firstLine('nginx', '-v');
      if (!version || !existsSync(MODULE)) return { missing: 'nginx with the Nchan module (libnginx-mod-nchan)' };
      const nchan = firstLine('dpkg-query', '-W', 'libnginx-mod-nchan')?.split('\t')[1] ?? 'unknown';
      return { version: `Nchan ${nchan}, ${version.replace('nginx version: ', '')}` };
    },
    async start() {
      const redis = overRedis ? await startRedis() : undefined;
      const folder = temporaryFolder('nchan');
      const port = await freePort();
      writeFileSync(join(folder, 'conf'), configuration(port, folder, redis?.port));
      const started = start(['nginx', '-p', folder, '-c', join(folder, 'conf')], { log: join(folder, 'log') });
      await waitForPort(port);
      // Over Redis it answers 503 until its own connection to Redis stands.
      await until('Nchan takes a message', 15, async () => {
        const { ok } = await fetch(`http://127.0.0.1:${port}/pub?id=probe`, { method: 'POST', body: 'probe' });
        return ok || undefined;
      });
      return {
        port,
        readyOn: 'head',
        pids: [started.pid],
        ...(redis && { redis }),
        publish: { port, form: 'nchan', connections: 8 },
        poll: { nchan: (channel) => `/poll/${channel}` },
        path: ({ channels }) => `/sub/${channels.map(channelName).join(',')}`,
        async close() {
          await stop(started);
          await redis?.close();
        },
      };
    },
  };
}

export const nchan = nchanPeer('nchan', false);
export const nchanRedis = nchanPeer('nchan-redis', true);
