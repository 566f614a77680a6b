import type { Publication } from '../backlog/backlog.ts';
import { loadConfig, type Texts } from '../config.ts';
import { channelOfUser } from '../message/names.ts';
import { formatPosition } from '../message/position.ts';
import { PublishSecrets } from '../publish-secrets.ts';
import type { SecretList } from '../secret-list.ts';
import { connectPublisher } from '../store/redis/connect.ts';
import { type RedisTarget, targetOf } from '../store/redis/target.ts';
import { UsageError } from './command.ts';
import { reasonOf } from './reason.ts';

/** The id and the revision of a recorded message, which the command prints. */
export interface Receipt {
  id: string;
  revision: number;
}

export type RightsVerb = 'grant' | 'revoke';

/** Publishes over Redis directly, or over a gateway's HTTP side. */
export interface Publisher {
  publish(publication: Publication): Promise<Receipt>;
  change(verb: RightsVerb, user: string, channel: string, data: Buffer | undefined): Promise<Receipt>;
  close(): Promise<void>;
}

/** How long a gateway may take for the whole response (ms). */
const HTTP_TIMEOUT = 10_000;
/** The variables that concern commands other than `serve` and `check-config`. */
const SECRETS = ['SISYPHUS_PUBLISH_SECRET', 'SISYPHUS_PUBLISH_SECRET_FILE'];
const MINE = [
  ...['REDIS_URL', 'SISYPHUS_REDIS_CA', 'SISYPHUS_REDIS_CERT', 'SISYPHUS_REDIS_KEY', 'SISYPHUS_NAMESPACE'],
  ...['SISYPHUS_URL', 'SISYPHUS_ACCESS_TOKEN', ...SECRETS],
];

/** Uses Redis if one is configured, else the gateway at `url`. A `--url` flag wins over a Redis, which may be left in the environment. */
export async function openPublisher(flags: Texts, env: Texts): Promise<Publisher> {
  const config = loadConfig(flags, onlyMine(env));
  const { namespace, url, publishSecret } = config;
  const target = targetOf(config);
  if (target !== undefined && flags.url === undefined) return overRedis(target, namespace);
  if (url === undefined) {
    throw new UsageError('name a Redis (REDIS_URL or --redis-url) or a gateway (SISYPHUS_URL or --url)');
  }
  if (publishSecret === undefined) {
    throw new UsageError(
      'publishing over HTTP needs SISYPHUS_PUBLISH_SECRET or --publish-secret, as the gateway has it',
    );
  }
  return overHttp(url, publishSecret);
}

/** The environment without the server's variables: a wrong one, such as a PORT for another program, must not stop a publisher. */
export function onlyMine(env: Texts): Texts {
  return Object.fromEntries(MINE.map((name) => [name, env[name]]));
}

async function overRedis(target: RedisTarget, namespace: string | undefined): Promise<Publisher> {
  const { publisher, close } = await connectPublisher(target, namespace);
  return {
    async publish(publication) {
      const [published] = await publisher.publish([publication]);
      return { id: formatPosition(published!.id), revision: published!.revision };
    },
    async change(verb, user, channel, data) {
      const { id, revision } = await publisher[verb](user, channel, data);
      return { id: formatPosition(id), revision };
    },
    close,
  };
}

function overHttp(url: string, list: SecretList): Publisher {
  const post = (path: string, channels: string[], body: Record<string, string | undefined>) =>
    send(`${url}${path}`, secretFor(list, channels), body);
  return {
    publish: ({ channel, data, event }) => post('/publish', [channel], { channel, data: data.toString(), event }),
    change: (verb, user, channel, data) =>
      post(`/${verb}`, [channelOfUser(user), channel], { user, channel, data: data?.toString() }),
    close: async () => {},
  };
}

/**
 * The secret to send, if there are several, as the gateway has them: the first one that may publish to the channels. If none may, the first
 * one of all is sent, and the gateway says what is wrong.
 */
export function secretFor({ secrets }: SecretList, channels: string[]): string {
  const known = new PublishSecrets({ text: '', secrets });
  // A value of one line may count twice, as a whole and without its name. A gateway that has it in a list knows only the latter.
  const candidates = secrets.length === 2 && secrets[0]!.name === secrets[1]!.name ? secrets.slice(1) : secrets;
  const fitting = candidates.find(({ text }) => channels.every((channel) => known.find(text)!.allows(channel)));
  return (fitting ?? candidates[0]!).text;
}

async function send(url: string, secret: string, body: Record<string, string | undefined>): Promise<Receipt> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${secret}` },
    body: JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(HTTP_TIMEOUT),
  }).catch((error: unknown) => {
    throw new Error(`cannot reach ${url} (${reasonOf(error)})`, { cause: error });
  });
  const text = await response.text();
  const answer = parseAnswer(text);
  if (response.ok && typeof answer.id === 'string' && typeof answer.revision === 'number') {
    return { id: answer.id, revision: answer.revision };
  }
  const said = typeof answer.message === 'string' ? answer.message : JSON.stringify(text.slice(0, 200));
  throw new Error(`${url} answered ${response.status}: ${said}`);
}

function parseAnswer(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // The server is no gateway; the caller quotes its response.
    return {};
  }
}
