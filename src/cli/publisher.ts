import type { Publication } from '../backlog/backlog.ts';
import { type Changed, channelOfCollection } from '../collection/collections.ts';
import { loadConfig } from '../config/config.ts';
import type { SecretList } from '../config/secret-list.ts';
import type { Texts } from '../config/settings.ts';
import { channelOfUser } from '../message/names.ts';
import { BEGINNING, formatPosition, parsePosition } from '../message/position.ts';
import { newToken, parseToken } from '../message/token.ts';
import { PublishSecrets } from '../publish-secrets.ts';
import { connectPublisher } from '../store/redis/connect.ts';
import { type RedisTarget, targetOf } from '../store/redis/target.ts';
import { UsageError } from './command.ts';
import { gatewayAddress } from './gateway-address.ts';
import { onlyMine } from './own-variables.ts';
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
  /** Puts a list of records, or a batch of changes. */
  changeCollection(verb: 'put' | 'patch', name: string, text: string): Promise<Changed>;
  /** Ends the streams of the user; answers the id of the disconnect. */
  disconnect(user: string): Promise<string>;
  /** Makes a token that is valid for `ttl` ms; `expires`: when it ends (ms since 1970). */
  mint(user: string, ttl: number): Promise<{ token: string; expires: number }>;
  /** Revokes one token, or all of a user; answers how many. */
  revokeTokens(which: { token: string } | { user: string }): Promise<number>;
  close(): Promise<void>;
}

/** How long a gateway may take for the whole response (ms). */
const HTTP_TIMEOUT = 10_000;
/** Uses Redis if one is configured, else the gateway at `url`. A `--url` flag wins over a Redis, which may be left in the environment. */
export async function openPublisher(flags: Texts, env: Texts): Promise<Publisher> {
  const config = loadConfig(flags, onlyMine(env));
  const { namespace, publishSecret } = config;
  const target = targetOf(config);
  if (target !== undefined && flags.url === undefined) return overRedis(target, namespace);
  // A secret says that publishing over HTTP is meant.
  if (config.url === undefined && publishSecret === undefined) {
    throw new UsageError(
      'name a Redis (REDIS_URL or --redis-url) or a gateway (SISYPHUS_URL or --url), with its SISYPHUS_PUBLISH_SECRET',
    );
  }
  if (publishSecret === undefined) {
    throw new UsageError(
      'publishing over HTTP needs SISYPHUS_PUBLISH_SECRET or --publish-secret, as the gateway has it',
    );
  }
  return overHttp(gatewayAddress('operators', flags, env), publishSecret);
}

async function overRedis(target: RedisTarget, namespace: string | undefined): Promise<Publisher> {
  const { publisher, collections, tokens, close } = await connectPublisher(target, namespace);
  return {
    async publish(publication) {
      const [published] = await publisher.publish([publication]);
      return { id: formatPosition(published!.id), revision: published!.revision };
    },
    async change(verb, user, channel, data) {
      const { id, revision } = await publisher[verb](user, channel, data);
      return { id: formatPosition(id), revision };
    },
    changeCollection: (verb, name, text) => collections[verb](name, text),
    disconnect: async (user) => formatPosition(await publisher.disconnect(user)),
    async mint(user, ttl) {
      const { token, hash } = newToken(user);
      return { token, expires: await tokens.add({ user, hash }, ttl) };
    },
    revokeTokens: (which) => tokens.revoke('token' in which ? parseToken(which.token)! : which),
    close,
  };
}

function overHttp(url: string, list: SecretList): Publisher {
  const ask = (method: Method, path: string, channels: string[], body: Body | string, members: string[]) =>
    send(method, `${url}${path}`, secretFor(list, channels), body, members);
  const post = async (path: string, channels: string[], body: Body): Promise<Receipt> => {
    const { id, revision } = await ask('POST', path, channels, body, ['id', 'revision']);
    return { id: String(id), revision: Number(revision) };
  };
  return {
    publish: ({ channel, data, event }) => post('/publish', [channel], { channel, data: data.toString(), event }),
    change: (verb, user, channel, data) =>
      post(`/${verb}`, [channelOfUser(user), channel], { user, channel, data: data?.toString() }),
    async changeCollection(verb, name, text) {
      const members = ['id', 'revision', 'created', 'updated', 'destroyed'];
      const [method, path] = [verb === 'put' ? 'PUT' : 'PATCH', `/live/${encodeURIComponent(name)}`] as const;
      const answer = await ask(method, path, [channelOfCollection(name)], text, members);
      const [revision, created, updated, destroyed] = members.slice(1).map((member) => Number(answer[member]));
      const id = parsePosition(String(answer.id)) ?? BEGINNING;
      return { id, revision: revision!, created: created!, updated: updated!, destroyed: destroyed! };
    },
    disconnect: async (user) => String((await ask('POST', '/disconnect', [channelOfUser(user)], { user }, ['id'])).id),
    async mint(user, ttl) {
      const body = { user, ttl: `${ttl}ms` };
      const { token, expires } = await ask('POST', '/tokens', [channelOfUser(user)], body, ['token', 'expires']);
      return { token: String(token), expires: Number(expires) };
    },
    async revokeTokens(which) {
      const user = 'user' in which ? which.user : parseToken(which.token)?.user;
      const channels = user === undefined ? [] : [channelOfUser(user)];
      return Number((await ask('DELETE', '/tokens', channels, which, ['revoked'])).revoked);
    },
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

type Method = 'POST' | 'PUT' | 'PATCH' | 'DELETE';
type Body = Record<string, string | undefined>;

/** The gateway has answered, and refused. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** @param body JSON, or what is made JSON; @param members what a gateway's answer has */
async function send(
  method: Method,
  url: string,
  secret: string,
  body: Body | string,
  members: string[],
): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method,
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${secret}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(HTTP_TIMEOUT),
  }).catch((error: unknown) => {
    throw new Error(`cannot reach ${url} (${reasonOf(error)})`, { cause: error });
  });
  const text = await response.text();
  const answer = parseAnswer(text);
  if (response.ok && members.every((name) => answer[name] !== undefined)) return answer;
  const said = typeof answer.message === 'string' ? answer.message : JSON.stringify(text.slice(0, 200));
  throw new Refusal(response.status, `${url} answered ${response.status}: ${said}`);
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
