import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from './child.ts';
import { eventually } from './wait.ts';

export interface FrontProxy {
  readonly port: number;
  stop(): Promise<void>;
}

const HAND_ON = (target: number): string => `location / { proxy_pass http://127.0.0.1:${target}; }`;

/** What Debian's nginx.conf says of HTTP, and these sites. */
function nginxConf(sites: string, dir: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = temporary.map((name) => `${name}_temp_path ${dir}/${name};`).join('\n  ');
  return `daemon off;
worker_processes auto;
pid ${dir}/nginx.pid;
error_log stderr;
events { worker_connections 768; }
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

/** @param configure answers the whole file for HAProxy, and for nginx what is within `http` */
export function startProxy(
  program: 'nginx' | 'haproxy',
  configure: (port: number) => string | Promise<string>,
): Promise<FrontProxy> {
  if (program === 'haproxy') return start(program, configure, (file) => ['-db', '-f', file]);
  const whole = async (port: number, dir: string): Promise<string> => nginxConf(await configure(port), dir);
  return start(program, whole, (file, dir) => ['-c', file, '-p', dir, '-e', 'stderr']);
}

async function start(
  program: 'nginx' | 'haproxy',
  configure: (port: number, dir: string) => string | Promise<string>,
  args: (file: string, dir: string) => string[],
): Promise<FrontProxy> {
  const dir = await mkdtemp(join(tmpdir(), `sisyphus-${program}-`));
  const port = await freePort();
  const file = join(dir, `${program}.conf`);
  await writeFile(file, await configure(port, dir));
  // Debian has both in /usr/sbin, which is not on everybody's PATH.
  const child = new Child(`/usr/sbin/${program}`, args(file, dir));
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
