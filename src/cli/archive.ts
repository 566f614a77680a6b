import { loadConfig } from '../config/config.ts';
import { Archive } from '../store/redis/archive.ts';
import { userOf } from '../store/redis/connection.ts';
import { isReply } from '../store/redis/redis-error.ts';
import { type RedisTarget, targetOf } from '../store/redis/target.ts';
import { type Invocation, UsageError } from './command.ts';
import { onlyMine } from './own-variables.ts';

/** Runs a command that reads what Redis knows. @throws UsageError if no Redis is named */
export async function withArchive<Answer>(
  { flags, env }: Pick<Invocation, 'flags' | 'env'>,
  run: (archive: Archive) => Promise<Answer>,
): Promise<Answer> {
  const config = loadConfig(flags, onlyMine(env));
  const target = targetOf(config);
  if (target === undefined) throw new UsageError('this is read from Redis: expected REDIS_URL or --redis-url');
  let archive: Archive | undefined;
  try {
    archive = await Archive.open(target, config.namespace);
    return await run(archive);
  } catch (error) {
    throw explainDenied(error, target);
  } finally {
    await archive?.close();
  }
}

/** Redis names the command that it denies, and not what would be right. Other errors are left as they are. */
function explainDenied(error: unknown, target: RedisTarget): unknown {
  const [, command] = (isReply(error) && /^NOPERM.* the '([^']+)' command/.exec(error.message)) || [];
  if (command === undefined) return error;
  const rule = `+${command}`;
  return new Error(
    `Redis refuses ${command.toUpperCase()} to user ${userOf(target)}: expected ${rule} in its ACL, or another user in REDIS_URL`,
    { cause: error },
  );
}
