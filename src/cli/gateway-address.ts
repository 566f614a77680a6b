import { isIP } from 'node:net';
import { loadConfig } from '../config/config.ts';
import type { Texts } from '../config/settings.ts';
import { onlyMine } from './own-variables.ts';

/** What `serve` listens on if nothing else is said. */
const USUAL_PORT = 3001;
/** A server that listens on all addresses is reached on the loopback address, too. */
const LOOPBACK: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/**
 * Where a command looks for a gateway: `--url` or `SISYPHUS_URL`, else where `serve` would listen with the same flags and environment.
 * `operators` is the port of `/status` and `/publish`, which is that of streams unless `SISYPHUS_ADMIN_PORT` names another one.
 */
export function gatewayAddress(door: 'streams' | 'operators', flags: Texts, env: Texts): string {
  const { url } = loadConfig(flags, onlyMine(env));
  if (url !== undefined) return url;
  const adminPort = portOf(flags['admin-port'] ?? env.SISYPHUS_ADMIN_PORT);
  if (door === 'operators' && adminPort !== undefined) {
    return httpAddress(flags['admin-host'] ?? env.SISYPHUS_ADMIN_HOST, adminPort);
  }
  return httpAddress(flags.host ?? env.HOST, portOf(flags.port ?? env.PORT) ?? USUAL_PORT);
}

/** A wrong port in the environment may be that of another program, so it is passed over. */
function portOf(text: string | undefined): number | undefined {
  const port = /^\d{1,5}$/.test(text ?? '') ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** The address at which a server is reached that listens on this one. */
export function httpAddress(host: string | undefined, port: number): string {
  const name = host === undefined || host === '' ? '127.0.0.1' : (LOOPBACK[host] ?? host);
  return `http://${isIP(name) === 6 ? `[${name}]` : name}:${port}`;
}
