import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from './child.ts';
import { eventually } from './wait.ts';

export type Program = 'nginx' | 'haproxy' | 'caddy';

export interface FrontProxy {
  readonly port: number;
  stop(): Promise<void>;
}

const HAND_ON = (target: number): string => `location / { proxy_pass http://127.0.0.1:${target}; }`;

/** What Debian's nginx.conf says of HTTP, and these sites. */
function nginxConf(sites: string, dir: string, connections: number | undefined): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = temporary.map((name) => `${name}_temp_path ${dir}/${name};`).join('\n  ');
  return `daemon off;
worker_processes ${connections === undefined ? 'auto' : 1};
pid ${dir}/nginx.pid;
error_log stderr;
events { worker_connections ${connections ?? 768}; }
http {
  ${paths}
  access_log off;
  sendfile on;
  tcp_nopush on;
  types_hash_max_size 2048;
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  gzip on;
  ${sites}
}
`;
}

/** What Debian's haproxy.cfg says under "defaults". */
function haproxyConf(port: number, target: number): string {
  return `defaults
  mode http
  option httplog
  option dontlognull
  timeout connect 5000
  timeout client 50000
  timeout server 50000
frontend all
  bind 127.0.0.1:${port}
  default_backend gateway
backend gateway
  server one 127.0.0.1:${target}
`;
}

/** A site that does no more than hand everything on, unless other locations are given. */
export function startNginx(target: number, locations = HAND_ON(target)): Promise<FrontProxy> {
  return startProxy('nginx', (port) => `server {\n    listen 127.0.0.1:${port};\n    ${locations}\n  }`);
}

export function startHaproxy(target: number): Promise<FrontProxy> {
  return startProxy('haproxy', (port) => haproxyConf(port, target));
}

/**
 * @param configure answers the whole file for HAProxy, the sites for Caddy, and for nginx what is within `http`
 * @param connections of nginx, which has one worker then
 */
export function startProxy(
  program: Program,
  configure: (port: number) => string | Promise<string>,
  connections?: number,
): Promise<FrontProxy> {
  if (program === 'haproxy') return start(program, configure, (file) => ['-db', '-f', file]);
  if (program === 'caddy') {
    // Without its own API, and without certificates of its own making.
    const quiet = '{\n\tadmin off\n\tauto_https off\n';
    const whole = async (port: number): Promise<string> =>
      (await configure(port)).replace(/^\{\n/m, quiet).replace(/grace_period .*/, 'grace_period 100ms');
    return start(program, whole, (file) => ['run', '--config', file, '--adapter', 'caddyfile']);
  }
  const whole = async (port: number, dir: string): Promise<string> =>
    nginxConf(await configure(port), dir, connections);
  return start(program, whole, (file, dir) => ['-c', file, '-p', dir, '-e', 'stderr']);
}

async function start(
  program: Program,
  configure: (port: number, dir: string) => string | Promise<string>,
  args: (file: string, dir: string) => string[],
): Promise<FrontProxy> {
  const dir = await mkdtemp(join(tmpdir(), `sisyphus-${program}-`));
  const port = await freePort();
  const file = join(dir, `${program}.conf`);
  await writeFile(file, await configure(port, dir));
  // Debian has the first two in /usr/sbin, which is not on everybody's PATH. Caddy keeps its state below the home.
  const env = {
    ...process.env,
    PATH: `${process.env.PATH}:/usr/sbin`,
    HOME: dir,
    XDG_DATA_HOME: dir,
    XDG_CONFIG_HOME: dir,
  };
  const child = new Child(program, args(file, dir), { env });
  const stop = async (): Promise<void> => {
    await child.end('SIGTERM');
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await eventually(() => {
      if (child.exit) return true;
      return listens(port);
    });
    if (child.exit) throw new Error(`${program} did not start\n${child.output()}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
