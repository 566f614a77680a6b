import type { Config } from '../config/config.ts';
import { parseRedisUrl } from '../config/redis-url.ts';
import { unshared } from '../exposure.ts';
import { PROGRAM } from '../root.ts';
import { type Figures, readFigures } from '../store/redis/figures.ts';
import { type Inspection, inspectRedis } from '../store/redis/inspect.ts';
import { Keys } from '../store/redis/keys.ts';
import { VERSION } from '../store/redis/library.ts';
import { PlainNames } from '../store/redis/plain-names.ts';
import { targetOf } from '../store/redis/target.ts';
import type { Weakness } from '../store/redis/weaknesses.ts';
import { type Finding, type Level, type Mends, mendOf } from './finding.ts';
import { reasonOf } from './reason.ts';

/** Redis's default for clients that hear messages (bytes). */
const USUAL_BUFFER = 33_554_432;
/** The buffer has to hold so many messages of the largest size. */
const LARGEST_MESSAGES = 16;
/** A clock that differs by more (ms) is worth a word: credentials end by the clock of the gateway, ids follow that of Redis. */
const MOST_AHEAD = 1000;

const USERS = 'docs/run/redis-users.acl';
const MORE_IS_DENIED = finding(
  'note',
  `what an ACL denies may hide that it denies more: the user gateway in ${USERS} may do all that is needed`,
);

/** What mends a weakness. */
const MENDS: Record<Weakness['event'], string> = {
  redis_evicts: 'redis-cli CONFIG SET maxmemory-policy noeviction',
  redis_keeps_nothing: 'redis-cli CONFIG SET appendonly yes',
  redis_keeps_snapshots: 'redis-cli CONFIG SET appendonly yes',
  redis_drops_on_reload: "redis-cli ACL SETUSER default off '~*' '&*' +@all",
  redis_is_replica: 'name the master in REDIS_URL, or the Sentinels: redis+sentinel://host:26379/service',
};

/** What mends a Redis that answers and refuses, by a pattern of the reason. */
const REFUSALS: Mends = [
  [
    /\(OOM\)/,
    'redis-cli CONFIG SET maxmemory <more>, and the same in redis.conf; redis-cli --bigkeys shows what is large',
  ],
  [/\(READONLY\)/, 'name the master in REDIS_URL, or the Sentinels: redis+sentinel://host:26379/service'],
  [/\(MISCONF\)/, 'df -h, and the log of Redis; redis-cli BGSAVE once there is room'],
  [/\(NOREPLICAS\)/, 'start the replicas, or redis-cli CONFIG SET min-replicas-to-write 0'],
  [/\((WRONGPASS|NOAUTH)\)/, 'REDIS_URL=redis://<user>:<password>@…, as redis-cli ACL LIST has them'],
  [/NOPERM/, `redis-cli ACL SETUSER <user>, with the rules of the user gateway in ${USERS}`],
  [/ECONNREFUSED|no answer/, 'start Redis, or name another address in REDIS_URL'],
];

/** Looks at the Redis of the configuration; changes nothing there. */
export async function examineRedis(config: Config): Promise<Finding[]> {
  const { redisUrl, rawChannels, namespace, keyPrefix } = config;
  if (redisUrl === undefined) {
    const text = 'there is no REDIS_URL: a gateway starts a Redis of its own, which ends with it';
    return [finding(unshared(config) === undefined ? 'note' : 'weak', text, 'REDIS_URL=redis://127.0.0.1:6379')];
  }
  const keys = new Keys(namespace, parseRedisUrl(redisUrl).database);
  const names = new PlainNames(rawChannels, keyPrefix);
  const target = targetOf(config) ?? redisUrl;
  try {
    const { lasting, state, weaknesses } = await inspectRedis(target, keys, names);
    const figures = await readFigures(target, keys, names);
    const troubles = [...lasting, ...state];
    return [
      finding('ok', `${figures.server} answers in ${figures.roundTrip.toFixed(1)} ms, database ${keys.database}`),
      ...troubles.map(ofTrouble),
      ...(troubles.length === 0 ? [finding('ok', 'the user may do everything that a gateway needs')] : []),
      ...(troubles.some(({ reason }) => / in its ACL/.test(reason)) ? [MORE_IS_DENIED] : []),
      ...weaknesses.map(({ event, reason }) => finding('weak', reason, MENDS[event])),
      ...ofFigures(figures, keys, config),
    ];
  } catch (error) {
    const text = `Redis cannot be used: ${reasonOf(error)}`;
    return [finding('bad', text, mendOf(REFUSALS, text))];
  }
}

function finding(level: Level, text: string, mend?: string): Finding {
  return { area: 'redis', level, text, mend };
}

function ofTrouble({ stops, reason, mend }: Inspection['lasting'][number]): Finding {
  const costs = stops === 'publishing' ? 'nothing can be published' : 'no reader can be served';
  const text = reason.includes(costs) ? reason : `${reason} (${costs})`;
  return finding('bad', text, mend ?? mendOf(REFUSALS, reason));
}

/** What the figures come to. */
export function ofFigures(figures: Figures, keys: Keys, config: Config): Finding[] {
  return [
    ofFunctions(figures.functions),
    ofBuffer(figures.pubsubBuffer, config.maxMessage),
    ofClock(figures),
    ...ofNeighbours(figures, keys, config),
  ].filter((one) => one !== undefined);
}

function ofFunctions(version: number | undefined): Finding | undefined {
  if (version === undefined) return undefined;
  if (version === VERSION) return finding('ok', `the functions are loaded, version ${version}`);
  if (version === 0) {
    return finding('note', 'the functions are not loaded: the first gateway loads them', `${PROGRAM} functions load`);
  }
  const here = `version ${version} of the functions is loaded, and this Sisyphus has ${VERSION}`;
  return version < VERSION
    ? finding('note', `${here}: the first gateway of this version replaces them`, `${PROGRAM} functions load`)
    : finding('weak', `${here}: gateways of a later version run here`, 'bring this Sisyphus to the same version');
}

function ofBuffer(bytes: number | undefined, maxMessage: number): Finding | undefined {
  if (bytes === undefined) return undefined;
  const least = Math.max(USUAL_BUFFER, LARGEST_MESSAGES * maxMessage);
  if (bytes === 0 || bytes >= least) return finding('ok', 'the output buffer for messages is large enough');
  return finding(
    'weak',
    `Redis closes a gateway's connection when ${bytes} bytes of messages wait: expected ${least} or more`,
    `redis-cli CONFIG SET client-output-buffer-limit "pubsub ${least} ${least / 4} 60"`,
  );
}

function ofClock({ ahead, roundTrip }: Figures): Finding {
  const seconds = (Math.abs(ahead) / 1000).toFixed(1);
  if (Math.abs(ahead) - roundTrip <= MOST_AHEAD)
    return { ...finding('ok', 'the clock agrees with that of Redis'), area: 'machine' };
  const side = ahead > 0 ? 'ahead of' : 'behind';
  const text = `the clock of this machine is ${seconds} s ${side} that of Redis, so credentials end at another time than they say`;
  return { ...finding('weak', text, 'timedatectl set-ntp true (on both machines)'), area: 'machine' };
}

/** Other applications on the same Redis. */
function ofNeighbours({ databases, installations, plain }: Figures, keys: Keys, { rawChannels }: Config): Finding[] {
  const findings: Finding[] = [];
  const others = [...(databases ?? [])].filter(([number]) => number !== keys.database);
  if (others.length > 0) {
    const list = others.map(([number, count]) => `${number} (${count} keys)`).join(', ');
    const text = `other databases are in use: ${list}; a plain PUBLISH is heard from all of them`;
    findings.push(
      finding('note', text, rawChannels.length === 0 ? undefined : 'SISYPHUS_RAW_CHANNELS=<only your patterns>'),
    );
  }
  if (installations && installations.length > 0) {
    const text = `other installations have gateways here: ${installations.map(nameOf).join('; ')}`;
    findings.push(finding('note', text));
  }
  if (plain.size > 0) {
    const list = [...plain].map(([word, count]) => `${word}:* ${count}`).join(', ');
    findings.push(finding('note', `plain PUBLISHes heard in a second, each of which is recorded: ${list}`));
  }
  return findings;
}

/** The name of an installation, by what its topics begin with, such as `sisyphus{shop/0}@4/` (`Keys.topicPrefix`). */
function nameOf(topicPrefix: string): string {
  const [, namespace, database] = /^sisyphus\{(?:(.*)\/)?0\}(?:@(\d+))?\/$/.exec(topicPrefix) ?? [];
  const which = namespace === undefined ? 'one without a namespace' : `SISYPHUS_NAMESPACE=${namespace}`;
  return database === undefined ? which : `${which} in database ${database}`;
}
