import type { Config } from '../config/config.ts';
import { parseRedisUrl } from '../config/redis-url.ts';
import { PROGRAM } from '../root.ts';
import { type Finding, type Mends, mendOf } from './finding.ts';
import { askGateway } from './gateway-answer.ts';

/** Asks a gateway what it thinks of itself, and looks whether it is one of the installation of the configuration. */
export async function examineGateway(url: string, config: Config): Promise<Finding[]> {
  let ready: Record<string, unknown>;
  let status: Record<string, unknown>;
  try {
    [ready, status] = await Promise.all([askGateway(`${url}/readyz`), askGateway(`${url}/status`)]);
  } catch (error) {
    const text = (error as Error).message;
    // If its address was given, a gateway is expected there.
    return config.url !== undefined
      ? [finding('bad', text, `${PROGRAM} serve, or another address in SISYPHUS_URL`)]
      : [finding('note', text)];
  }
  const level = ready.ready === true ? 'weak' : 'bad';
  const reasons = texts(ready.reasons).map((reason) => finding(level, reason, mendOf(MENDS, reason)));
  const warnings = texts(status.warnings).map((warning) => finding('weak', warning));
  const summary = `the gateway at ${url} (${status.version}) has ${status.streams} streams of ${status.users} users`;
  return [finding('ok', summary), ...ofInstallation(status, config), ...reasons, ...warnings];
}

function finding(level: Finding['level'], text: string, mend?: string): Finding {
  return { area: 'gateway', level, text, mend };
}

/** A gateway of another namespace or database has other channels: all commands would look at, or publish to, the wrong ones. */
function ofInstallation({ namespace, database }: Record<string, unknown>, config: Config): Finding[] {
  // A gateway before this version, or one with a Redis of its own, does not say.
  if (config.redisUrl === undefined || typeof database !== 'number') return [];
  const here = { namespace: config.namespace ?? null, database: parseRedisUrl(config.redisUrl).database };
  const findings: Finding[] = [];
  if (namespace !== here.namespace) {
    const text = `the gateway has ${named(namespace)}, and this command has ${named(here.namespace)}: each sees channels of its own`;
    findings.push(finding('bad', text, `SISYPHUS_NAMESPACE=${namespace ?? ''}`));
  }
  if (database !== here.database) {
    const text = `the gateway uses database ${database}, and REDIS_URL names database ${here.database}: each has channels of its own`;
    findings.push(finding('bad', text, `REDIS_URL=redis://…/${database}`));
  }
  return findings;
}

function named(namespace: unknown): string {
  return namespace === null ? 'no namespace' : `the namespace ${namespace}`;
}

/** What mends a reason of `/readyz`, by a pattern; a reason of Redis is also a finding about Redis, which has the command. */
const MENDS: Mends = [
  [
    /files that the process may open/,
    'LimitNOFILE in the unit of systemd, or ulimit -n, and a restart; or another gateway',
  ],
  [
    /no recorder is known/,
    'see that a gateway reaches Redis and may write there: the log has redis_refuses or recorder_turn_failed',
  ],
  [/is being stopped/, 'wait until it has been started again'],
];

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
