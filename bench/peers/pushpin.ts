import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freePort, start, stop, until } from '../processes.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { channelName, type Peer } from './peer.ts';
import { firstLine } from './probe.ts';
import { waitForPort } from './wait-for-port.ts';

/** What an application behind Pushpin answers: hold this response open, and follow these channels. Its cost is not counted. */
function application() {
  return createServer((request, response) => {
    const channels = new URL(request.url!, 'http://bench').searchParams.get('channels')!.split(',');
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Grip-Hold': 'stream',
      'Grip-Channel': channels.join(', '),
    });
    response.end();
  });
}

/** Pushpin's way to the application; on a machine like this one it may speak to 127.0.0.1 only if told so. */
function zurlConfiguration(folder: string): string {
  return `[General]
instance_id=bench
in_spec=ipc://${folder}/run/zurl-in
in_stream_spec=ipc://${folder}/run/zurl-in-stream
out_spec=ipc://${folder}/run/zurl-out
in_req_spec=ipc://${folder}/run/zurl-req
ipc_file_mode=666
defpolicy=allow
max_open_requests=20000
buffer_size=200000
timeout=600
in_hwm=100000
out_hwm=100000
`;
}

function configuration(folder: string, port: number, control: number, unused: number): string {
  return `[global]
include={libdir}/internal.conf
rundir=${folder}/run
ipc_prefix=bench-
port_offset=0
stats_connection_ttl=120
stats_connection_send=false

[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:${port}
logdir=${folder}/log
log_level=2
client_buffer_size=8192
client_maxconn=50000
allow_compression=false

[proxy]
zurl_out_specs=ipc://${folder}/run/zurl-in
zurl_out_stream_specs=ipc://${folder}/run/zurl-in-stream
zurl_in_specs=ipc://${folder}/run/zurl-out
routesfile=${folder}/routes
debug=false
auto_cross_origin=false
accept_x_forwarded_protocol=false
set_x_forwarded_protocol=proto-only
x_forwarded_for=
x_forwarded_for_trusted=
orig_headers_need_mark=
accept_pushpin_route=false
log_from=false
log_user_agent=false
sig_iss=pushpin
sig_key=changeme
upstream_key=
sockjs_url=
updates_check=off

[handler]
ipc_file_mode=777
push_in_spec=tcp://127.0.0.1:${control}
push_in_sub_specs=ipc://${folder}/run/sub
push_in_sub_connect=false
stats_spec=ipc://${folder}/run/stats
command_spec=ipc://${folder}/run/command
push_in_http_addr=127.0.0.1
push_in_http_port=${unused}
message_rate=1000000
message_hwm=1000000
message_block_size=0
message_wait=5000
id_cache_ttl=60
connection_subscription_max=50
subscription_linger=60
stats_subscription_ttl=60
`;
}

export const pushpin: Peer = {
  name: 'pushpin',
  probe() {
    const version = firstLine('pushpin', '--version');
    return version && firstLine('zurl', '--version') ? { version } : { missing: 'pushpin and zurl' };
  },
  async start() {
    const folder = temporaryFolder('pushpin');
    mkdirSync(join(folder, 'run'));
    mkdirSync(join(folder, 'log'));
    const backend = application().listen(0, '127.0.0.1');
    await new Promise((resolve) => backend.once('listening', resolve));
    const port = await freePort();
    const control = await freePort();
    writeFileSync(join(folder, 'routes'), `* 127.0.0.1:${(backend.address() as AddressInfo).port}\n`);
    writeFileSync(join(folder, 'pushpin.conf'), configuration(folder, port, control, await freePort()));
    writeFileSync(join(folder, 'zurl.conf'), zurlConfiguration(folder));
    const zurl = start(['zurl', `--config=${join(folder, 'zurl.conf')}`], { log: join(folder, 'zurl-out') });
    const started = start(['pushpin', `--config=${join(folder, 'pushpin.conf')}`], { log: join(folder, 'out') });
    await waitForPort(port);
    await waitForPort(control);
    // Its parts find each other over sockets of their own; until then a request hangs or fails.
    await until('Pushpin holds a stream', 20, async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/?channels=probe`, {
        signal: AbortSignal.timeout(1000),
      }).catch(() => undefined);
      await answer?.body?.cancel();
      return answer?.ok || undefined;
    });
    return {
      port,
      readyOn: 'head',
      inFlight: 20,
      pids: [started.pid],
      publish: { port: control, form: 'pushpin', connections: 1 },
      path: ({ channels }) => `/?channels=${channels.map(channelName).join(',')}`,
      async close() {
        await stop(started);
        await stop(zurl);
        backend.closeAllConnections();
        backend.close();
      },
    };
  },
};
