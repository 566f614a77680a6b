import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, start, stop } from '../processes.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { executable } from './executable.ts';
import { channelName, type Peer, type Reader } from './peer.ts';
import { SECRET, signedToken } from './signed-token.ts';
import { waitForPort } from './wait-for-port.ts';

const HUB = '/.well-known/mercure';
const ISSUER = 'https://bench.example';

/**
 * Public updates for anybody, pings every 15 s, no stream ended by age. `local` keeps no history: the default, a file,
 * keeps one history for all topics together, which cannot stand for a backlog per channel.
 */
function configuration(port: number, isModern: boolean): string {
  const keys = isModern
    ? `issuer ${ISSUER} {
      publisher {
        jwt "${SECRET}" HS256
      }
    }
    resource_identifier ${ISSUER}${HUB}`
    : `publisher_jwt "${SECRET}" HS256`;
  return `{
  admin off
  persist_config off
  auto_https off
  log {
    level WARN
  }
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
  mercure {
    ${keys}
    anonymous
    transport local
    heartbeat 15s
    write_timeout 0s
  }
}
`;
}

function publisherToken(): string {
  const now = Math.floor(Date.now() / 1000);
  const right = {
    type: 'https://mercure.rocks/authorization-detail',
    actions: ['publish'],
    topics: [{ match: '*' }],
  };
  const who = { iss: ISSUER, aud: ISSUER + HUB, sub: 'bench', client_id: 'bench', jti: 'bench' };
  const claims = { ...who, iat: now, exp: now + 86_400, authorization_details: [right], mercure: { publish: ['*'] } };
  return signedToken(claims, { typ: 'at+jwt' });
}

const path = (parameter: string, { channels }: Reader): string =>
  `${HUB}?${channels.map((channel) => `${parameter}=${encodeURIComponent(channelName(channel))}`).join('&')}`;

function versionOf(program: string): string | undefined {
  const { stdout } = spawnSync(program, ['build-info'], { encoding: 'utf8' });
  return /github\.com\/dunglas\/mercure\s+v(\S+)/.exec(stdout ?? '')?.[1];
}

export const mercure: Peer = {
  name: 'mercure',
  probe() {
    const program = executable('mercure');
    if (!program) return { missing: 'mercure' };
    const version = versionOf(program);
    return version ? { version: `Mercure ${version}` } : { missing: `a version in what ${program} build-info says` };
  },
  async start() {
    const program = executable('mercure')!;
    // Version 1 changed the configuration, the claims of a token and the parameter that names a topic.
    const isModern = !versionOf(program)!.startsWith('0.');
    const folder = temporaryFolder('mercure');
    const port = await freePort();
    const file = join(folder, 'Caddyfile');
    writeFileSync(file, configuration(port, isModern));
    const started = start([program, 'run', '--config', file, '--adapter', 'caddyfile'], {
      log: join(folder, 'log'),
      // One core, as Nchan's worker and the gateway have; and its own files with the rest.
      env: { ...process.env, GOMAXPROCS: '1', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    });
    await waitForPort(port);
    return {
      port,
      readyOn: 'head',
      pids: [started.pid],
      publish: { port, form: 'mercure', connections: 8, header: `Authorization: Bearer ${publisherToken()}` },
      path: (reader) => path(isModern ? 'match' : 'topic', reader),
      close: () => stop(started),
    };
  },
};
