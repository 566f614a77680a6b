import { loadConfig } from '../config/config.ts';
import { Archive } from '../store/redis/archive.ts';
import { targetOf } from '../store/redis/target.ts';
import { type Invocation, UsageError } from './command.ts';
import { onlyMine } from './publisher.ts';

/** Runs a command that reads what Redis knows. @throws UsageError if no Redis is named */
export async function withArchive<Answer>(
  { flags, env }: Pick<Invocation, 'flags' | 'env'>,
  run: (archive: Archive) => Promise<Answer>,
): Promise<Answer> {
  const config = loadConfig(flags, onlyMine(env));
  const target = targetOf(config);
  if (target === undefined) throw new UsageError('this is read from Redis: expected REDIS_URL or --redis-url');
  const archive = await Archive.open(target, config.namespace);
  try {
    return await run(archive);
  } finally {
    await archive.close();
  }
}
