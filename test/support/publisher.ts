import type { Redis } from 'ioredis';

export interface Receipt {
  id: string | undefined;
  revision: number | undefined;
}

/** Publishes one message; a plain PUBLISH has no receipt and no event name. */
export type Publish = (channel: string, data: string | Buffer, event?: string) => Promise<Receipt>;

export type Way = 'plain' | 'fcall' | 'http';

export const WAYS: readonly Way[] = ['plain', 'fcall', 'http'];

export const PUBLISH_SECRET = 'a-secret-for-tests-alone';

export function plainPublisher(redis: Redis): Publish {
  return async (channel, data, event) => {
    if (event !== undefined) throw new Error('a plain PUBLISH has no event name');
    await redis.publish(channel, data);
    return { id: undefined, revision: undefined };
  };
}

export function fcallPublisher(redis: Redis): Publish {
  return async (channel, data, event) => {
    const args = event === undefined ? [channel, data] : [channel, data, event];
    const [id, revision] = (await redis.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', ...args)) as [
      unknown,
      unknown,
    ];
    return { id: String(id), revision: Number(revision) };
  };
}

/** Over `POST /publish`, which takes text only: bytes that are no UTF-8 cannot go this way. */
export function httpPublisher(url: string, secret = PUBLISH_SECRET): Publish {
  return async (channel, data, event) => {
    const response = await postPublish(url, JSON.stringify({ channel, data: String(data), event }), { secret });
    const answer = await response.text();
    if (response.status !== 200) throw new Error(`POST /publish answered ${response.status}: ${answer}`);
    const { id, revision } = JSON.parse(answer) as { id: string; revision: number };
    return { id, revision };
  };
}

interface Post {
  path?: string;
  secret?: string;
  type?: string;
  headers?: Record<string, string>;
}

export function postPublish(
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  options: Post = {},
): Promise<Response> {
  const { path = '/publish', secret = PUBLISH_SECRET, type = 'application/json', headers = {} } = options;
  return fetch(`${url}${path}`, {
    method: 'POST',
    body,
    // A connection that has been idle may be closed by the gateway in the moment that it is used again.
    headers: { Authorization: `Bearer ${secret}`, 'Content-Type': type, Connection: 'close', ...headers },
    signal: AbortSignal.timeout(10_000),
  });
}

/** The three ways over one Redis and one gateway that has `PUBLISH_SECRET`. */
export function publishers(redis: Redis, gatewayUrl: string): Record<Way, Publish> {
  return { plain: plainPublisher(redis), fcall: fcallPublisher(redis), http: httpPublisher(gatewayUrl) };
}
