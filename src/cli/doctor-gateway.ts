import { PROGRAM } from '../root.ts';
import { type Finding, type Mends, mendOf } from './finding.ts';
import { askGateway } from './gateway-answer.ts';

/** Asks a gateway what it thinks of itself. @param isNamed whether the address was given, so that a gateway is expected there */
export async function examineGateway(url: string, isNamed: boolean): Promise<Finding[]> {
  const finding = (level: Finding['level'], text: string, mend?: string): Finding => ({
    area: 'gateway',
    level,
    text,
    mend,
  });
  let ready: Record<string, unknown>;
  let status: Record<string, unknown>;
  try {
    [ready, status] = await Promise.all([askGateway(`${url}/readyz`), askGateway(`${url}/status`)]);
  } catch (error) {
    const text = (error as Error).message;
    return isNamed
      ? [finding('bad', text, `${PROGRAM} serve, or another address in SISYPHUS_URL`)]
      : [finding('note', text)];
  }
  const level = ready.ready === true ? 'weak' : 'bad';
  const reasons = texts(ready.reasons).map((reason) => finding(level, reason, mendOf(MENDS, reason)));
  const warnings = texts(status.warnings).map((warning) => finding('weak', warning));
  const summary = `the gateway at ${url} (${status.version}) has ${status.streams} streams of ${status.users} users`;
  return [finding('ok', summary), ...reasons, ...warnings];
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
