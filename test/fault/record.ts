import { parseEnvelope } from '../../src/message/envelope.ts';
import { isPlain } from '../../src/message/message.ts';
import type { Recorded } from './ledger.ts';
import type { RedisLine, Reply } from './processes/redis-line.ts';

const BACKLOG = /^sisyphus:\{0\}:channel:(.+):msg_backlog$/;

/** All backlogs, as Redis keeps them now. */
export async function readRecord(redis: RedisLine): Promise<Recorded[]> {
  const recorded: Recorded[] = [];
  const keys = new Set<string>();
  let cursor = '0';
  do {
    const [next, found] = (await redis.call('SCAN', cursor, 'MATCH', 'sisyphus:*:msg_backlog', 'COUNT', '1000')) as [
      string,
      string[],
    ];
    for (const key of found) keys.add(key);
    cursor = next;
  } while (cursor !== '0');
  for (const key of keys) {
    const channel = BACKLOG.exec(key)?.[1];
    if (channel === undefined) continue;
    for (const entry of (await redis.call('XRANGE', key, '-', '+')) as Reply[])
      recorded.push(readEntry(channel, entry));
  }
  return recorded;
}

function readEntry(channel: string, entry: Reply): Recorded {
  const [, fields] = entry as [string, string[]];
  const message = parseEnvelope(channel, Buffer.from(fields[1] ?? ''));
  const { id, revision, payload } = message;
  return { channel, id, revision, text: payload.toString(), plain: isPlain(message) };
}
